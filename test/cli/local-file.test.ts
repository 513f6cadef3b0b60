import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type LocalFile, localFile, sendFile } from '../../cli/local-file.ts'
import { rejectionOf } from '../support/thrown.ts'

const URI = 's3://bucket/uploads/abc/model.safetensors'
const folder = mkdtempSync(join(tmpdir(), 'roslin-file-'))

type Answer = 'broken' | 'silent' | { readonly status: number; readonly code?: string }
const arrived: Answer = { status: 204 }
let answers: Answer[] = []
/** Of the form that each of S3's requests was made with. */
let forms: string[] = []
const s3 = createServer((request, response) => {
  forms.push(request.url ?? '')
  const answer = answers.shift() ?? arrived
  if (answer === 'broken') {
    request.once('data', () => request.socket.destroy())
    return
  }
  if (answer === 'silent') return
  request.resume().on('end', () => {
    response.writeHead(answer.status).end(answer.code && `<Error><Code>${answer.code}</Code></Error>`)
  })
})

let file: LocalFile
let url: string
beforeAll(async () => {
  await new Promise<void>((resolve) => s3.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(s3.address() as AddressInfo).port}`
  const path = join(folder, 'model.safetensors')
  writeFileSync(path, Buffer.alloc(1e6))
  file = await localFile(path, 'model.safetensors')
})
beforeEach(() => {
  forms = []
})
afterAll(() => {
  s3.closeAllConnections()
  s3.close()
  rmSync(folder, { recursive: true })
})

let asked = 0
const sending = (...given: Answer[]) => {
  answers = given
  asked = 0
  const askForForm = async () => ({ uri: URI, post: { url: `${url}/form-${++asked}`, fields: { key: 'k' } } })
  return sendFile(askForForm, file, () => {})
}

describe('a file on its way to S3', () => {
  it.each<[string, Answer]>([
    ['the connection breaks', 'broken'],
    ['S3 has too much to do', { status: 503, code: 'SlowDown' }],
    ['S3 has waited for it', { status: 400, code: 'RequestTimeout' }],
    ['what is between has waited for it', { status: 408 }],
  ])('is sent again, with a form of its own, where %s', async (_, answer) => {
    expect(await sending(answer)).toBe(URI)
    expect(forms).toEqual(['/form-1', '/form-2'])
  })

  it('that never arrives is named with what to do', async () => {
    const error = await rejectionOf(sending('broken', 'broken', 'broken', 'broken'))
    expect(error).toMatchObject({ code: 'API_UNREACHABLE', message: expect.stringContaining(file.path) })
    expect(error.nextStep).toContain('Run the same command again')
    expect(forms).toHaveLength(4)
  })

  it.each(['BadDigest', 'EntityTooLarge'])('that is another by now is not sent again: %s', async (code) => {
    const error = await rejectionOf(sending({ status: 400, code }))
    expect(error).toMatchObject({ code: 'UPLOAD_MISMATCH', message: expect.stringContaining(code) })
    expect(forms).toHaveLength(1)
  })

  it('is given up at once when the person wants out, and not sent again', async () => {
    const leaving = new AbortController()
    const form = { uri: URI, post: { url: `${url}/form`, fields: {} } }
    const note = () => void setTimeout(() => leaving.abort(new Error('out')))
    answers = ['silent']
    await expect(sendFile(async () => form, file, note, leaving.signal)).rejects.toThrow('out')
    expect(forms.length).toBeLessThan(2)
    await expect(sendFile(async () => form, file, note, leaving.signal)).rejects.toThrow('out')
  })

  it('that the team has already is not sent', async () => {
    expect(
      await sendFile(
        async () => ({ uri: URI, post: null }),
        file,
        () => {},
      ),
    ).toBe(URI)
    expect(forms).toEqual([])
  })
})
