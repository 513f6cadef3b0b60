import { createHash, randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../core/errors.ts'
import { Deployment } from '../support/deployment.ts'
import { eventually } from '../support/processes.ts'
import { pathsOf, rejectionOf } from '../support/thrown.ts'

const deployment = await Deployment.open()
const { client, bucket } = deployment

const NAME = 'herd'
const rowsOf = (answer: string) => JSON.stringify([{ instruction: 'Say it.', output: answer }])
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const described = (text: string) => ({ fileName: 'rows.json', sha256: sha256(text), bytes: text.length })

interface Form {
  readonly url: string
  readonly fields: Readonly<Record<string, string>>
}

/** S3's status for this content in the form. */
async function send({ url, fields }: Form, content: string): Promise<number> {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  form.set('file', new Blob([content]))
  return (await fetch(url, { method: 'POST', body: form })).status
}

async function formFor(text: string): Promise<Form> {
  const { post } = await client.createDatasetUpload(NAME, described(text))
  if (!post) throw new Error('the team has it already')
  return post
}

describe('the form for a file', () => {
  it('is good for that file, at its key, for a quarter of an hour', async () => {
    const text = rowsOf('Moo.')
    const { fields } = await formFor(text)
    const policy = JSON.parse(Buffer.from(fields.Policy ?? '', 'base64').toString())
    const key = `incoming/${NAME}/${sha256(text)}/rows.json`
    expect(policy.conditions).toEqual(
      expect.arrayContaining([
        { key },
        { bucket },
        ['content-length-range', text.length, text.length],
        { 'x-amz-checksum-sha256': Buffer.from(sha256(text), 'hex').toString('base64') },
      ]),
    )
    const minutes = (Date.parse(policy.expiration) - Date.now()) / 60_000
    expect(minutes).toBeGreaterThan(10)
    expect(minutes).toBeLessThanOrEqual(15)
  })

  it('takes no other content, size or key', async () => {
    const text = rowsOf('Moo?')
    const form = await formFor(text)
    expect(await send(form, text.replace('?', '!'))).toBe(400)
    expect(await send(form, `${text} `)).toBe(400)
    const elsewhere = { ...form, fields: { ...form.fields, key: 'models/mine/rows.json' } }
    expect(await send(elsewhere, text)).toBe(403)
    expect(await deployment.keys(`incoming/${NAME}/${sha256(text)}`)).toEqual([])
  })
})

describe('a version of a data set', () => {
  it('is what was sent up, whether it is registered or arrives first, and is sent once', async () => {
    const text = rowsOf('Moo, moo.')
    const { uri, post } = await client.createDatasetUpload(NAME, described(text))
    expect(await send(post as Form, text)).toBe(204)
    const version = await client.registerDatasetVersion(NAME, uri)
    expect(version).toMatchObject({ name: NAME, sha256: sha256(text), rows: 1, from: uri })
    expect(version.uri).toBe(`s3://${bucket}/datasets/${NAME}/${version.sha256}/rows.json`)
    await eventually('it has arrived', async () => {
      const { versions } = await client.listDatasetVersions(NAME)
      return versions.some((known) => known.sha256 === version.sha256) || undefined
    })
    expect(await client.createDatasetUpload(NAME, described(text))).toEqual({ uri: version.uri, post: null })
    expect(await client.registerDatasetVersion(NAME, uri)).toEqual(version)
  })

  it('is any file of the bucket that can be trained on, and never changes with it', async () => {
    const uri = await deployment.put('exports/cows.json', rowsOf('Moo one.'))
    const key = { 'idempotency-key': randomUUID() }
    const body = JSON.stringify({ uri })
    const path = `/v1/datasets/${NAME}/versions`
    const first = await deployment.request('POST', path, body, key)
    expect(first.status).toBe(201)
    const version = JSON.parse(await first.text())
    await deployment.put('exports/cows.json', rowsOf('Moo two.'))
    // The same request once more, though the file is another by now.
    expect(await (await deployment.request('POST', path, body, key)).json()).toEqual(version)
    expect(await deployment.read(version.uri)).toEqual(JSON.parse(rowsOf('Moo one.')))
    const next = await client.registerDatasetVersion(NAME, uri)
    expect(next.version).toBeGreaterThan(version.version)
  })

  const refused: [what: string, uri: () => string | Promise<string>, code: ErrorCode, paths: string[]][] = [
    ['an object that is not there', () => `s3://${bucket}/exports/none.json`, 'DATASET_NOT_FOUND', ['uri']],
    ["another's object", () => 's3://other-bucket/rows.json', 'DATASET_NOT_FOUND', ['uri']],
    ['no object', () => 'rows.json', 'DATASET_NOT_FOUND', ['uri']],
    ['rows that cannot be used', () => deployment.put('exports/bad.json', '[{}]'), 'DATASET_INVALID', []],
  ]
  it.each(refused)('is not made of %s', async (_, uri, code, paths) => {
    const { versions, rejections } = await client.listDatasetVersions(NAME)
    const error = await rejectionOf(client.registerDatasetVersion(NAME, await uri()))
    const found = pathsOf(error, code)
    if (code === 'DATASET_NOT_FOUND') expect(found).toEqual(paths)
    const after = await client.listDatasetVersions(NAME)
    expect([after.versions.length, after.rejections]).toEqual([versions.length, rejections])
  })
})
