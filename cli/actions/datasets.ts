import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { datasetPage, datasetsTable, versionsTable } from '../data-format.ts'
import { sendFile } from '../local-file.ts'
import { readDataFile } from '../local-inputs.ts'
import { print, printJson, say } from '../output.ts'
import { show } from './show.ts'

export const listDatasets = (options: DeploymentOptions) =>
  show(options, (client) => client.listDatasets(), datasetsTable)

export const listVersions = (name: string, options: DeploymentOptions) =>
  show(options, (client) => client.listDatasetVersions(name), datasetPage)

export const registerVersion = (name: string, uri: string, options: DeploymentOptions) =>
  show(
    options,
    (client) => client.registerDatasetVersion(name, uri),
    (version) => versionsTable([version]),
  )

/** Checked here first, so that nothing is sent in vain; then it arrives, and becomes a version. */
export async function uploadVersion(name: string, path: string, options: DeploymentOptions) {
  const file = await readDataFile(
    path,
    'auto',
    'Give the path of a data file; docs/recipes.md has the formats.',
  )
  const client = await Client.connect(options)
  const { name: fileName, sha256, bytes } = file
  const request = { fileName, sha256, bytes }
  const uri = await sendFile(
    () => client.createDatasetUpload(name, request),
    file,
    (text) => say(`· ${text}`),
  )
  const version = await client.registerDatasetVersion(name, uri)
  if (options.json) printJson(version)
  else print(versionsTable([version]))
}
