import type { ModelList, ModelVersion, ModelVersionList } from '../core/model-view.ts'
import { table } from './table.ts'

export function modelsTable({ models }: ModelList): string {
  const rows = models.map(({ name, newestVersion, runId, createdAt }) => [
    name,
    String(newestVersion),
    minute(createdAt),
    runId,
  ])
  return table(['model', 'newest version', 'created', 'run'], rows)
}

export function modelVersionsTable({ versions }: ModelVersionList): string {
  const rows = versions.map(({ name, version, createdAt, runId, unfinished, uri }) => [
    `${name}@${version}${unfinished ? ' (unfinished)' : ''}`,
    minute(createdAt),
    runId,
    uri,
  ])
  return table(['model', 'created', 'run', 'files'], rows)
}

/** One version on a page: where it lies, what it was made from, what may be done with it. */
export function modelPage({
  name,
  version,
  createdAt,
  runId,
  uri,
  unfinished,
  licence,
  lineage,
}: ModelVersion): string {
  const { baseModel, dataset, code } = lineage
  return [
    `model     ${name}@${version}${unfinished ? ' (unfinished: training was stopped at its limit)' : ''}`,
    `created   ${createdAt} by run ${runId}`,
    `files     ${uri}`,
    `base      ${baseModel.source}${baseModel.revision ? ` at ${baseModel.revision}` : ''}`,
    `data      ${dataset.uri} (sha256 ${dataset.sha256})`,
    `code      ${code.version}, trainer ${code.trainerImage}`,
    `plan      ${lineage.planUri}`,
    `licence   commercial use ${licence.commercialUse ? 'allowed' : 'not allowed'}${licence.shareAlike ? ', share alike' : ''}`,
    ...licence.because.map((reason) => `          ${reason}`),
  ].join('\n')
}

const minute = (at: string) => at.slice(0, 16).replace('T', ' ')
