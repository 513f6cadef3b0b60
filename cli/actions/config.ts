import type { DeploymentOptions } from '../commands/options.ts'
import { print, printJson } from '../output.ts'
import { resolveSettings } from '../settings.ts'
import { table } from '../table.ts'

export function showConfig(options: DeploymentOptions): void {
  const settings = resolveSettings(options)
  if (options.json) {
    printJson(settings)
    return
  }
  const rows = Object.entries(settings).map(([name, { value, source, from }]) => [
    name,
    value === undefined ? '–' : String(value),
    source,
    from,
  ])
  print(table(['setting', 'value', 'source', 'from'], rows))
}
