import { heedInterruption } from '../../local/interruption.ts'
import { down, up } from '../../local/up.ts'
import { say } from '../output.ts'
import { resolveSettings } from '../settings.ts'
import { readTeamFile } from '../team-file.ts'

export interface UpOptions {
  readonly port?: number
  readonly jobSlots: number
  readonly trainer?: string
  readonly team: string
}

export async function bringUp(options: UpOptions): Promise<void> {
  heedInterruption()
  const { team } = options
  // A team that cannot be deployed is told of before minutes of set-up, not after.
  readTeamFile(team)
  const { embedded } = await up({ ...options, port: portOf(options), team, background: true })
  say(
    `The embedded AWS runs on port ${embedded.port} with team ${embedded.team}; stop it with: npx roslin down`,
  )
}

export async function takeDown(): Promise<void> {
  say(
    (await down())
      ? 'The embedded AWS has stopped; `npx roslin up` brings it back as it was.'
      : 'The embedded AWS was not running.',
  )
}

export function portOf({ port }: Pick<UpOptions, 'port'>): number {
  return resolveSettings({ port }).port.value
}
