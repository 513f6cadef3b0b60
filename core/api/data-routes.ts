import { z } from 'zod'
import {
  datasetListSchema,
  datasetVersionSchema,
  datasetVersionsSchema,
  registrationSchema,
} from '../dataset-version.ts'
import { slugSchema } from '../recipe.ts'
import { datasetUploadRequestSchema, uploadRequestSchema, uploadSchema } from '../upload.ts'
import { get, post } from './route.ts'

const named = z.object({ name: slugSchema })

/** Files on their way to the team's bucket, and what they are there. */
export const DATA_ROUTES = {
  createUpload: post('/v1/uploads', {
    tag: 'Data',
    summary: 'Where to POST a local file: under its content’s hash, so the same file is sent once',
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
    params: named,
    answer: datasetVersionsSchema,
    errors: ['DATASET_UNKNOWN'],
  }),
  registerDatasetVersion: post('/v1/datasets/{name}/versions', {
    tag: 'Data',
    summary: 'Make a version of a file in the bucket, as if it had arrived; the same content is one version',
    params: named,
    body: registrationSchema,
    answer: datasetVersionSchema,
    status: 201,
    errors: ['DATASET_NOT_FOUND', 'DATASET_INVALID'],
  }),
  createDatasetUpload: post('/v1/datasets/{name}/uploads', {
    tag: 'Data',
    summary: 'Where to POST a local file for it to arrive, and become a version',
    params: named,
    body: datasetUploadRequestSchema,
    answer: uploadSchema,
  }),
}
