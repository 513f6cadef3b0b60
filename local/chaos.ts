import { z } from 'zod'
import { RoslinError } from '../core/errors.ts'
import { endpointOf } from './emulator.ts'

const chaosSchema = z.object({
  timeScale: z.number(),
  rules: z.array(z.looseObject({ kind: z.string(), applied: z.int() })),
})

/** The rules in force, and how often each has applied. docs/chaos.md has them all. */
export type Chaos = z.output<typeof chaosSchema>

/** What the emulator on this port gets wrong on purpose. */
export async function readChaos(port: number): Promise<Chaos> {
  return ask(port, 'GET')
}

/**
 * Sets the rules in place of those there are, or beside them.
 * @throws RoslinError CHAOS_INVALID, with the emulator's own word on what is wrong.
 */
export async function setChaos(port: number, chaos: unknown, beside = false): Promise<Chaos> {
  return ask(port, beside ? 'POST' : 'PUT', chaos)
}

export async function endChaos(port: number): Promise<Chaos> {
  return ask(port, 'DELETE')
}

async function ask(port: number, method: string, body?: unknown): Promise<Chaos> {
  const response = await fetch(`${endpointOf(port)}/_roslin/chaos`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const answer: unknown = await response.json()
  if (response.ok) return chaosSchema.parse(answer)
  const { message } = z.object({ message: z.string() }).parse(answer)
  throw new RoslinError('CHAOS_INVALID', `${message}.`, 'docs/chaos.md lists the rules and their fields.')
}
