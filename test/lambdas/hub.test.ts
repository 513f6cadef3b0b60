import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { hubCommit } from '../../lambdas/hub.ts'
import { rejectionOf } from '../support/thrown.ts'

const COMMIT = 'a'.repeat(40)
const asked: string[] = []
let answer: () => Response

vi.stubGlobal('fetch', async (url: string) => {
  asked.push(url)
  return answer()
})
beforeEach(() => {
  asked.length = 0
})
afterAll(() => vi.unstubAllGlobals())

const answering = (status: number) => {
  answer = () => Response.json({ sha: COMMIT }, { status })
}

describe('the commit of a revision', () => {
  it('is what the Hub says it is now', async () => {
    answering(200)
    expect(await hubCommit('owner/name', 'refs/pr/1')).toBe(COMMIT)
    expect(asked).toEqual(['https://huggingface.co/api/models/owner/name/revision/refs%2Fpr%2F1'])
  })

  it('is not asked for where it is given', async () => {
    expect(await hubCommit('owner/name', COMMIT)).toBe(COMMIT)
    expect(asked).toEqual([])
  })

  it.each([401, 404])('is not found where the Hub answers %i', async (status) => {
    answering(status)
    expect(await rejectionOf(hubCommit('owner/name', 'main'))).toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining(`owner/name at main could not be found`),
      issues: [{ path: 'baseModel.source', message: `the Hub answered ${status}` }],
    })
  })

  it.each([429, 500, 503])('is not known for now where the Hub answers %i', async (status) => {
    answering(status)
    const error = await rejectionOf(hubCommit('owner/name', 'main'))
    expect(error).toMatchObject({ code: 'HUB_UNREACHABLE', message: expect.stringContaining(`${status}`) })
    expect(error.nextStep).toContain('full commit')
  })

  it('is not known for now where the Hub cannot be reached', async () => {
    answer = () => {
      throw new TypeError('fetch failed')
    }
    const error = await rejectionOf(hubCommit('owner/name', 'main'))
    expect(error).toMatchObject({ code: 'HUB_UNREACHABLE', message: expect.stringContaining('fetch failed') })
  })
})
