import { type Command, InvalidArgumentError, Option } from 'commander'
import { deploymentCommand, wholeNumber } from './options.ts'

export function addModelsCommand(program: Command): void {
  const models = program.command('models').description('what runs have made')

  deploymentCommand(models, 'list')
    .description('all models, each with its newest version')
    .action(async (options) => (await import('../actions/models.ts')).listModels(options))

  deploymentCommand(models, 'versions')
    .description('the versions of one, the newest first')
    .argument('<name>', "the model's name: its recipe's")
    .addOption(
      new Option('--limit <number>', 'how many').default(20).argParser((text) => wholeNumber(text, 1, 100)),
    )
    .option('--cursor <cursor>', 'go on after a page, with the cursor it gave')
    .action(async (name, options) => (await import('../actions/models.ts')).listVersions(name, options))

  deploymentCommand(models, 'get')
    .description('one version: where it lies, what it was made from, what may be done with it')
    .argument('<model>', 'name@version', namedVersion)
    .action(async (model, options) => (await import('../actions/models.ts')).getVersion(model, options))
}

function namedVersion(text: string): { readonly name: string; readonly version: number } {
  const [, name = '', version] = /^([^@]+)@([1-9]\d{0,7})$/.exec(text) ?? []
  if (version === undefined) throw new InvalidArgumentError('It must be like sheep@3.')
  return { name, version: Number(version) }
}
