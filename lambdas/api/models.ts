import { RoslinError } from '../../core/errors.ts'
import { models } from '../clients.ts'
import { decodeCursor, encodeCursor, versionPosition } from './cursor.ts'
import type { Handlers } from './serve.ts'

const listModels: Handlers['listModels'] = async () => ({ models: await models.list() })

const listModelVersions: Handlers['listModelVersions'] = async ({ params: { name }, query }) => {
  const before = decodeCursor(query.cursor, versionPosition)
  const { versions, cursor } = await models.versions(name, query.limit, before)
  if (versions.length === 0 && before === null) throw absent(name)
  return { versions, cursor: encodeCursor(cursor) }
}

const getModelVersion: Handlers['getModelVersion'] = async ({ params: { name, version } }) => {
  const model = await models.get(name, version)
  if (!model) throw absent(`${name}@${version}`)
  return model
}

export const modelHandlers = { listModels, listModelVersions, getModelVersion }

function absent(model: string): RoslinError {
  return new RoslinError(
    'MODEL_VERSION_NOT_FOUND',
    `There is no model ${model}.`,
    'GET /v1/models lists the models there are.',
  )
}
