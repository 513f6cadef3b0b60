import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { parseS3Uri } from '../../core/storage-layout.ts'
import type { RunModel } from '../../core/store/table.ts'
import { models, runs, s3 } from '../clients.ts'
import { readPlan } from '../s3-json.ts'
import { newModelVersion } from './model-version.ts'

/** The newest complete checkpoint of a run that was stopped at its limit, registered; undefined where there is none. */
export async function unfinishedModel(runId: string): Promise<RunModel | undefined> {
  const planUri = (await runs.get(runId))?.run.planUri
  const plan = planUri && (await readPlan(planUri))
  if (!planUri || !plan) return undefined
  const uri = await newestCheckpoint(plan.runUri)
  if (!uri) return undefined
  const version = newModelVersion(plan, planUri, uri, new Date().toISOString())
  return models.register({ ...version, unfinished: true })
}

/** The manifest is written last: the newest of them is of the newest complete checkpoint. */
async function newestCheckpoint(runUri: string): Promise<string | undefined> {
  const at = parseS3Uri(`${runUri}checkpoints/`)
  if (!at) return undefined
  const manifests: { key: string; at: number }[] = []
  let ContinuationToken: string | undefined
  do {
    const page = await s3.send(
      new ListObjectsV2Command({ Bucket: at.bucket, Prefix: at.key, ContinuationToken }),
    )
    for (const { Key = '', LastModified } of page.Contents ?? []) {
      if (Key.endsWith('/manifest.json')) manifests.push({ key: Key, at: LastModified?.getTime() ?? 0 })
    }
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken)
  const newest = manifests.sort((a, b) => b.at - a.at)[0]
  return newest && `s3://${at.bucket}/${newest.key.slice(0, -'manifest.json'.length)}`
}
