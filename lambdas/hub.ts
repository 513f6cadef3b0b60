import { z } from 'zod'
import { RoslinError } from '../core/errors.ts'

const HUB = 'https://huggingface.co'
const COMMIT = /^[0-9a-f]{40}$/
const revisionAnswer = z.object({ sha: z.string().regex(COMMIT) })

/**
 * The commit that a revision of a model (a branch, a tag or a full commit) stands for now. A full commit is not looked up.
 * @throws RoslinError MODEL_NOT_FOUND; HUB_UNREACHABLE, which may pass.
 */
export async function hubCommit(repository: string, revision: string): Promise<string> {
  if (COMMIT.test(revision)) return revision
  const unreachable = (why: string) =>
    new RoslinError(
      'HUB_UNREACHABLE',
      `The Hugging Face Hub does not say which commit ${revision} of ${repository} is: ${why}.`,
      'Try again in a minute; with a full commit as baseModel.revision the Hub need not answer.',
    )
  const url = `${HUB}/api/models/${repository}/revision/${encodeURIComponent(revision)}`
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch((error: Error) => {
    throw unreachable(`it could not be reached (${error.message})`)
  })
  const { status } = response
  // Busy, or at fault itself.
  if (status === 429 || status >= 500) throw unreachable(`it answered ${status}`)
  if (!response.ok) {
    const why = `the Hub answered ${status}`
    throw new RoslinError(
      'MODEL_NOT_FOUND',
      `The model ${repository} at ${revision} could not be found on the Hugging Face Hub: ${why}.`,
      'Check the name and the revision; a private model needs a full commit as baseModel.revision.',
      [{ path: 'baseModel.source', message: why }],
    )
  }
  return revisionAnswer.parse(await response.json()).sha
}

/** A file of a model, as JSON; undefined where it has none of that name. */
export async function readHubJson(repository: string, revision: string, name: string): Promise<unknown> {
  const url = `${HUB}/${repository}/resolve/${revision}/${name}`
  const response = await fetch(url, { signal: AbortSignal.timeout(5000) })
  return response.ok ? response.json() : undefined
}
