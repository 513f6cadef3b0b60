import { RoslinError } from '../../core/errors.ts'
import { datasets } from '../clients.ts'
import type { Handlers } from './serve.ts'

const listDatasets: Handlers['listDatasets'] = async () => ({ datasets: await datasets.list() })

const listDatasetVersions: Handlers['listDatasetVersions'] = async ({ params: { name } }) => {
  const [versions, rejections] = await Promise.all([datasets.versions(name), datasets.rejections(name)])
  if (versions.length > 0 || rejections.length > 0) return { name, versions, rejections }
  throw new RoslinError(
    'DATASET_UNKNOWN',
    `No file of a data set ${name} has arrived.`,
    "Put one under incoming/<name>/ in the team's bucket; GET /v1/datasets shows those there are.",
  )
}

export const datasetHandlers = { listDatasets, listDatasetVersions }
