import { Buffer } from 'node:buffer'

/** Where things lie in the team's bucket. Every prefix is named here once; folders end in a slash. */
export interface StorageLayout {
  /** A local file or folder sent up by the CLI, by the content's sha256. */
  upload(sha256: string): string
  /** A version of a data set: one file that never changes. */
  dataset(name: string, sha256: string): string
  /** The base model in Hugging Face's layout, as training and evaluation read it. */
  baseModel(contentKey: string): string
  /** Tokenised rows, by what they were made from. */
  prepared(contentKey: string): string
  /** All that a run writes while it runs. */
  run(runId: string): string
  /** The finished model, ready to serve. */
  model(recipeName: string, runId: string): string
}

export function storageLayout(bucket: string): StorageLayout {
  const at = (path: string) => `s3://${bucket}/${path}/`
  return {
    upload: (sha256) => at(`uploads/${sha256}`),
    dataset: (name, sha256) => at(`datasets/${name}/${sha256}`),
    baseModel: (contentKey) => at(`base-models/${contentKey}`),
    prepared: (contentKey) => at(`prepared/${contentKey}`),
    run: (runId) => at(`runs/${runId}`),
    model: (recipeName, runId) => at(`models/${recipeName}/${runId}`),
  }
}

/** Files under a run's folder. docs/container-contract.md says who writes which, and when. */
export const RUN_FILES = {
  statistics: 'statistics.json',
  metrics: 'metrics.json',
  evaluation: 'evaluation.json',
  error: 'error.json',
} as const

/** One a machine of a job, from 0. */
export function profileFile(node: number): string {
  return `profile/node-${node}.json`
}

/** A plan never changes: a run that goes on gets another. */
export function planFile(execution: number): string {
  return execution === 0 ? 'plan.json' : `plan-${execution}.json`
}

/** What a job found itself on, written by its container. */
export function machineFile(jobId: string): string {
  return `machines/${jobId}.json`
}

/** How a job is to stop, written before it is told to. */
export function stopFile(jobId: string): string {
  return `stops/${jobId}.json`
}

export interface S3Location {
  readonly bucket: string
  readonly key: string
}

/** Longer ones S3 does not take. */
const MAX_KEY_BYTES = 1024

/** Undefined for what S3 could not be asked for. */
export function parseS3Uri(uri: string): S3Location | undefined {
  const [, bucket, key] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.+)$/s.exec(uri) ?? []
  if (!bucket || !key?.isWellFormed() || Buffer.byteLength(key) > MAX_KEY_BYTES) return undefined
  return { bucket, key }
}
