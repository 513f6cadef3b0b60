import { endpointOf } from '../../local/emulator.ts'

/** Makes it so much later for the schedules of the embedded AWS: those that are due by then fire. */
export async function pushClock(port: number, forwardSeconds: number): Promise<void> {
  const response = await fetch(`${endpointOf(port)}/_roslin/clock`, {
    method: 'POST',
    body: JSON.stringify({ forwardSeconds }),
  })
  if (!response.ok) throw new Error(`the clock was not pushed: ${await response.text()}`)
}
