/** Aborted when the person wants out (Ctrl-C, SIGTERM): commands under way are ended, what was started is stopped. */
const controller = new AbortController()

export const interruption: AbortSignal = controller.signal

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** From here on Ctrl-C and SIGTERM end the work in order instead of the process at once. */
export function heedInterruption(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => controller.abort(new Interrupted(`stopped by ${signal}`)))
  }
}
