import type { Command } from 'commander'
import { deploymentCommand } from './options.ts'

const NAME = ['<name>', "the data set's name"] as const

export function addDatasetsCommand(program: Command): void {
  const datasets = program.command('datasets').description('data by name and version')

  deploymentCommand(datasets, 'list')
    .description('all data sets, each with its newest version')
    .action(async (options) => (await import('../actions/datasets.ts')).listDatasets(options))

  deploymentCommand(datasets, 'versions')
    .description('the versions of one, and the files that could not be one')
    .argument(...NAME)
    .action(async (name, options) => (await import('../actions/datasets.ts')).listVersions(name, options))

  deploymentCommand(datasets, 'upload')
    .description('make a version of a file on this machine; recipes that follow the data set start')
    .argument(...NAME)
    .argument('<file>', 'JSON, JSON Lines or Parquet')
    .action(async (name, file, options) =>
      (await import('../actions/datasets.ts')).uploadVersion(name, file, options),
    )

  deploymentCommand(datasets, 'register')
    .description("make a version of a file in the team's bucket; recipes that follow the data set start")
    .argument(...NAME)
    .argument('<uri>', 's3://bucket/key')
    .action(async (name, uri, options) =>
      (await import('../actions/datasets.ts')).registerVersion(name, uri, options),
    )
}
