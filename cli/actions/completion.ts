import type { Command } from 'commander'
import { placesOf } from '../completion/places.ts'
import { SCRIPTS, type Shell } from '../completion/scripts.ts'
import { print } from '../output.ts'

export function printCompletion(program: Command, shell: Shell): void {
  print(SCRIPTS[shell](placesOf(program)))
}
