import { describe, expect, it } from 'vitest'
import { parseS3Uri, storageLayout } from '../../core/storage-layout.ts'

describe('the layout of the bucket', () => {
  const layout = storageLayout('team-bucket')

  it.each([
    ['uploads/abc/', layout.upload('abc')],
    ['base-models/abc/', layout.baseModel('abc')],
    ['prepared/abc/', layout.prepared('abc')],
    ['runs/abc/', layout.run('abc')],
    ['models/parrot/abc/', layout.model('parrot', 'abc')],
  ])('has the folder %s', (key, uri) => {
    expect(uri).toBe(`s3://team-bucket/${key}`)
    expect(parseS3Uri(uri)).toEqual({ bucket: 'team-bucket', key })
  })
})

describe('an S3 URI', () => {
  it.each([
    '',
    'rows.json',
    's3://',
    's3://bucket',
    's3://bucket/',
    's3://Bucket/key',
    's3:///key',
    'https://b/key',
    's3://bucket/half-\ud800',
    `s3://bucket/${'ü'.repeat(513)}`,
  ])('is not %j', (text) => {
    expect(parseS3Uri(text)).toBeUndefined()
  })

  it('may have any key', () => {
    expect(parseS3Uri('s3://my.bucket-1/a b/ü.json')).toEqual({ bucket: 'my.bucket-1', key: 'a b/ü.json' })
  })
})
