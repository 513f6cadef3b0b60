import { Hono } from 'hono'
import type { DatasetList, DatasetVersions } from '../../core/dataset-version.ts'
import { RoslinError } from '../../core/errors.ts'
import { slugSchema } from '../../core/recipe.ts'
import { datasets } from '../clients.ts'

export const datasetRoutes = new Hono()

datasetRoutes.get('/', async (context) =>
  context.json({ datasets: await datasets.list() } satisfies DatasetList),
)

/** The versions of one, and the files that could not be one. */
datasetRoutes.get('/:name/versions', async (context) => {
  const name = context.req.param('name')
  const isName = slugSchema.safeParse(name).success
  const [versions, rejections] = isName
    ? await Promise.all([datasets.versions(name), datasets.rejections(name)])
    : [[], []]
  if (versions.length === 0 && rejections.length === 0) {
    throw new RoslinError(
      'DATASET_UNKNOWN',
      `No file of a data set ${JSON.stringify(name)} has arrived.`,
      "Put one under incoming/<name>/ in the team's bucket; GET /v1/datasets shows those there are.",
    )
  }
  return context.json({ name, versions, rejections } satisfies DatasetVersions)
})
