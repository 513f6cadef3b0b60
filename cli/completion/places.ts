import type { Command } from 'commander'

export interface Word {
  readonly word: string
  readonly description: string
}

/** A command, by the words that lead to it, and what may follow there. */
export interface Place {
  /** Such as ` runs list`; empty for the program itself. */
  readonly path: string
  readonly words: readonly Word[]
  /** Flags with a value out of a list. */
  readonly choices: readonly { readonly flag: string; readonly values: readonly string[] }[]
}

/** Every command of the tree, in its own order. */
export function placesOf(command: Command, path = ''): Place[] {
  const help = command.createHelp()
  const options = help.visibleOptions(command)
  const subcommands = command.commands
  return [
    {
      path,
      words: [
        ...subcommands.map((sub) => ({ word: sub.name(), description: sub.description() })),
        ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
          argChoices.map((word) => ({ word, description })),
        ),
        ...options.map(({ long, short, description }) => ({ word: long ?? short ?? '', description })),
      ],
      choices: options.flatMap(({ long, argChoices }) =>
        long && argChoices ? [{ flag: long, values: argChoices }] : [],
      ),
    },
    ...subcommands.flatMap((sub) => placesOf(sub, `${path} ${sub.name()}`)),
  ]
}
