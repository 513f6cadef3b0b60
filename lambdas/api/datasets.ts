import { RoslinError } from '../../core/errors.ts'
import { datasets } from '../clients.ts'
import { readDatasetFile } from '../dataset-file.ts'
import { variable } from '../environment.ts'
import { registerDataset } from '../triggers/register-dataset.ts'
import type { Handlers } from './serve.ts'

const listDatasets: Handlers['listDatasets'] = async () => ({ datasets: await datasets.list() })

const listDatasetVersions: Handlers['listDatasetVersions'] = async ({ params: { name } }) => {
  const [versions, rejections] = await Promise.all([datasets.versions(name), datasets.rejections(name)])
  if (versions.length > 0 || rejections.length > 0) return { name, versions, rejections }
  throw new RoslinError(
    'DATASET_UNKNOWN',
    `No file of a data set ${name} has arrived.`,
    "`roslin datasets upload` sends one; or put it under incoming/<name>/ in the team's bucket. GET /v1/datasets shows those there are.",
  )
}

const registerDatasetVersion: Handlers['registerDatasetVersion'] = async ({ params, body, request }) => {
  const file = await readDatasetFile(body.uri, variable('BUCKET_NAME'), 'uri')
  return registerDataset(params.name, file, { from: body.uri, createdAt: request.at })
}

export const datasetHandlers = { listDatasets, listDatasetVersions, registerDatasetVersion }
