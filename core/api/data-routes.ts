import { z } from 'zod'
import { datasetListSchema, datasetVersionsSchema } from '../dataset-version.ts'
import { slugSchema } from '../recipe.ts'
import { uploadRequestSchema, uploadSchema } from '../upload.ts'
import { get, post } from './route.ts'

/** Files on their way to the team's bucket, and what they are there. */
export const DATA_ROUTES = {
  createUpload: post('/v1/uploads', {
    tag: 'Data',
    summary: 'Where to PUT a local file: under its content’s hash, so the same file is sent once',
    body: uploadRequestSchema,
    answer: uploadSchema,
  }),
  listDatasets: get('/v1/datasets', {
    tag: 'Data',
    summary: 'The data sets, each with its newest version',
    answer: datasetListSchema,
  }),
  listDatasetVersions: get('/v1/datasets/{name}/versions', {
    tag: 'Data',
    summary: 'The versions of one, and the files that could not be one',
    params: z.object({ name: slugSchema }),
    answer: datasetVersionsSchema,
    errors: ['DATASET_UNKNOWN'],
  }),
}
