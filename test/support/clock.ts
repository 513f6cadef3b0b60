import { endpointOf } from '../../local/emulator.ts'

/** Makes it so much later for the schedules of the embedded AWS: those that are due by then fire. */
export async function pushClock(port: number, forwardSeconds: number): Promise<void> {
  await clock(port, { method: 'POST', body: JSON.stringify({ forwardSeconds }) })
}

/** Makes it what time it is again: what another test schedules for later is not due at once. */
export async function setClockRight(port: number): Promise<void> {
  await clock(port, { method: 'DELETE' })
}

async function clock(port: number, request: RequestInit): Promise<void> {
  const response = await fetch(`${endpointOf(port)}/_roslin/clock`, request)
  if (!response.ok) throw new Error(`the clock was not set: ${await response.text()}`)
}
