import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { createProgram } from '../../cli/program.ts'

/** Each command with its arguments and its flags, one a line. */
function described(command: Command, path = ''): string[] {
  const name = `${path} ${command.name()}`.trim()
  const given = command.registeredArguments.map((argument) => {
    const shown = argument.argChoices?.join('|') ?? argument.name()
    return argument.required ? `<${shown}>` : `[${shown}]`
  })
  const flags = command.options.map(({ flags: text, argChoices, mandatory }) =>
    [text, ...(argChoices ? [`(${argChoices.join('|')})`] : []), ...(mandatory ? ['(required)'] : [])].join(
      ' ',
    ),
  )
  return [
    [name, ...given].join(' '),
    ...flags.sort().map((flag) => `  ${flag}`),
    ...command.commands.flatMap((sub) => described(sub, name)),
  ]
}

it('commands and flags are those that scripts rely on: add to them, do not take away', async () => {
  // A wanted change is accepted with `vitest run --project unit test/cli/commands.test.ts -u`.
  await expect(`${described(createProgram()).join('\n')}\n`).toMatchFileSnapshot('commands.txt')
})
