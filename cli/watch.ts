import { setTimeout as sleep } from 'node:timers/promises'
import { RoslinError } from '../core/errors.ts'
import { hasEnded } from '../core/run.ts'
import type { Metrics } from '../core/run-files.ts'
import type { RunDetail } from '../core/run-view.ts'
import type { Client } from './client.ts'
import { duration, timelineLine, usd } from './format.ts'

const POLL_MILLISECONDS = 1000
/** A terminal shows each change; a log file is spared all but one line in about five seconds. */
const LOG_LINE_MILLISECONDS = 4000
/** The API may be away for this long (a restart, a lost network) before the watch gives up. */
const PATIENCE_MILLISECONDS = 15_000

/** Follows a run to its end on stderr. @throws the signal's reason when the person wants out: the run goes on. */
export async function watchRun(client: Client, runId: string, signal: AbortSignal): Promise<RunDetail> {
  const display = process.stderr.isTTY ? new LiveLine() : new LogLines()
  let shown = 0
  try {
    for (;;) {
      const run = await patiently(() => client.getRun(runId), signal)
      for (const entry of run.timeline.slice(shown)) display.entry(timelineLine(entry))
      shown = run.timeline.length
      if (hasEnded(run.status)) return run
      const metrics = run.status === 'training' ? await metricsIfReady(client, runId, signal) : undefined
      display.progress(progressLine(run, metrics))
      await sleep(POLL_MILLISECONDS, undefined, { signal }).catch(() => {})
      signal.throwIfAborted()
    }
  } finally {
    display.end()
  }
}

/** State, step, loss, tokens per second, time left and cost so far, as far as each is known. */
export function progressLine(run: RunDetail, metrics: Metrics | undefined): string {
  const parts = [run.status, duration(run.elapsedSeconds)]
  if (metrics) {
    parts.push(
      `step ${metrics.step}/${metrics.totalSteps}`,
      `epoch ${metrics.epoch.toFixed(2)}/${metrics.epochs}`,
    )
    const loss = metrics.series.loss.at(-1)
    if (loss !== undefined) parts.push(`loss ${loss.toFixed(3)}`)
    if (metrics.tokensPerSecond !== null) parts.push(`${Math.round(metrics.tokensPerSecond)} tokens/s`)
    if (metrics.etaSeconds !== null) parts.push(`${duration(metrics.etaSeconds)} left`)
  }
  if (run.waiting) parts.push(run.waiting.because)
  if (run.capacity) parts.push(`${usd(run.costUsd)} so far`)
  return parts.join('  ')
}

async function metricsIfReady(
  client: Client,
  runId: string,
  signal: AbortSignal,
): Promise<Metrics | undefined> {
  try {
    return await patiently(() => client.getMetrics(runId), signal)
  } catch (error) {
    if (error instanceof RoslinError && error.code === 'NOT_READY') return undefined
    throw error
  }
}

async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const deadline = Date.now() + PATIENCE_MILLISECONDS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      signal.throwIfAborted()
      const away =
        error instanceof RoslinError && (error.code === 'API_UNREACHABLE' || error.code === 'INTERNAL')
      if (!away || Date.now() > deadline) throw error
      await sleep(POLL_MILLISECONDS)
    }
  }
}

interface Display {
  entry(line: string): void
  progress(line: string): void
  end(): void
}

/** One line at the bottom of a terminal that is written over. */
class LiveLine implements Display {
  entry(line: string): void {
    process.stderr.write(`\r\x1b[K${line}\n`)
  }

  progress(line: string): void {
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }

  end(): void {
    process.stderr.write('\r\x1b[K')
  }
}

class LogLines implements Display {
  #lastAt = 0

  entry(line: string): void {
    process.stderr.write(`${line}\n`)
  }

  progress(line: string): void {
    if (Date.now() - this.#lastAt < LOG_LINE_MILLISECONDS) return
    this.#lastAt = Date.now()
    process.stderr.write(`          ${line}\n`)
  }

  end(): void {}
}
