import type { DatasetList, DatasetVersion, DatasetVersions } from '../core/dataset-version.ts'
import { table } from './table.ts'

export function datasetsTable({ datasets }: DatasetList): string {
  const rows = datasets.map(({ name, version, updatedAt }) => [
    name,
    version?.toString() ?? 'none',
    minute(updatedAt),
  ])
  return table(['data set', 'newest version', 'updated'], rows)
}

/** The versions, and below them the files that could not be one. */
export function datasetPage({ versions, rejections }: DatasetVersions): string {
  const refused = rejections.flatMap(({ at, from, code, message, issues }) => [
    `refused ${minute(at)}: ${from}`,
    `  ${code}: ${message}`,
    ...issues.map((issue) => `  ${issue.path}: ${issue.message}`),
  ])
  return [versionsTable(versions), ...(refused.length > 0 ? ['', ...refused] : [])].join('\n')
}

export function versionsTable(versions: readonly DatasetVersion[]): string {
  const rows = versions.map(({ version, rows: count, format, bytes, createdAt, uri }) => [
    String(version),
    String(count),
    format,
    `${(bytes / 1e6).toFixed(1)} MB`,
    minute(createdAt),
    uri,
  ])
  return table(['version', 'rows', 'format', 'size', 'created', 'file'], rows)
}

const minute = (at: string) => at.slice(0, 16).replace('T', ' ')
