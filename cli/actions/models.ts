import { Client } from '../client.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { hint } from '../hint.ts'
import { modelPage, modelsTable, modelVersionsTable } from '../model-format.ts'
import { print, printJson, say } from '../output.ts'
import { show } from './show.ts'

type PageOptions = DeploymentOptions & { readonly limit: number; readonly cursor?: string }

export const listModels = (options: DeploymentOptions) =>
  show(options, (client) => client.listModels(), modelsTable)

export async function listVersions(name: string, { limit, cursor, ...options }: PageOptions) {
  const client = await Client.connect(options)
  const page = await client.listModelVersions(name, limit, cursor)
  if (options.json) return printJson(page)
  print(modelVersionsTable(page))
  const { flags } = client.target
  if (page.cursor)
    say(`There are more: ${hint(`models versions ${name}`, { ...flags, limit, cursor: page.cursor })}`)
}

export const getVersion = (
  { name, version }: { readonly name: string; readonly version: number },
  options: DeploymentOptions,
) => show(options, (client) => client.getModelVersion(name, version), modelPage)
