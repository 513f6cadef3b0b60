/** A set-up step on stderr: never silent for more than a few seconds. */
export interface Step {
  /** What the step is doing now. */
  note(text: string): void
}

const TICK_MILLISECONDS = 4000

/** Runs the work under a title: says that it began, that it is still at it, and how long it took. */
export async function withProgress<T>(title: string, work: (step: Step) => Promise<T>): Promise<T> {
  const started = Date.now()
  const elapsed = () => `${((Date.now() - started) / 1000).toFixed(1)} s`
  let doing = ''
  const say = (text: string) => process.stderr.write(`${text}\n`)
  say(`· ${title}`)
  const ticker = setInterval(
    () => say(`· ${title}: ${doing ? `${doing}, ` : ''}${elapsed()}`),
    TICK_MILLISECONDS,
  )
  try {
    const result = await work({
      note: (text) => {
        doing = text
      },
    })
    say(`✓ ${title} (${elapsed()})`)
    return result
  } catch (error) {
    say(`✗ ${title} (${elapsed()})`)
    throw error
  } finally {
    clearInterval(ticker)
  }
}
