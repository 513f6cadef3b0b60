import type { TimelineEntry } from '../core/run.ts'
import type { Evaluation, Metrics } from '../core/run-files.ts'
import type { RunDetail, RunList } from '../core/run-view.ts'
import { startedByText } from '../core/started-by.ts'
import type { TeamView } from '../core/team-view.ts'
import { drawn, isColoured, table } from './table.ts'

export function duration(seconds: number): string {
  const whole = Math.round(seconds)
  const minutes = Math.floor(whole / 60)
  if (minutes === 0) return `${whole} s`
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${minutes} min ${whole % 60} s` : `${hours} h ${minutes % 60} min`
}

/** Below a cent the cents say nothing. */
export function usd(amount: number): string {
  return `$${amount.toFixed(amount < 1 ? 4 : 2)}`
}

const MIN_COLUMN = 18

/** The answers to the same prompts by each model, side by side, as wide as the terminal. */
export function answersTable(evaluation: Evaluation, columns = process.stdout.columns ?? 120): string {
  const names = evaluation.models.map(({ name }) => name)
  const width = Math.max(MIN_COLUMN, Math.floor((columns - 2) / (names.length + 1)) - 1)
  const prompts = evaluation.prompts.map(({ instruction, input, expect, answers }) => [
    [instruction, input].filter(Boolean).join('\n') + (expect ? `\n(expects: ${expect})` : ''),
    ...answers.map(({ text, right }) => `${text}${right === null ? '' : right ? ' ✓' : ' ✗'}`),
  ])
  const losses = evaluation.models.map(({ heldOutLoss }) =>
    heldOutLoss === null ? '–' : heldOutLoss.toFixed(3),
  )
  const answers = drawn(
    ['prompt', ...names],
    [...prompts, ['loss on rows never trained on', ...losses]],
    Array(names.length + 1).fill(width),
    isColoured(process.stdout),
  )
  return [answers, benchmarksTable(evaluation)].filter(Boolean).join('\n\n')
}

/** Empty where the recipe asked for no benchmarks. */
function benchmarksTable({ models, benchmarks = [] }: Evaluation): string {
  if (benchmarks.length === 0) return ''
  const rows = benchmarks.map(({ task, metric, higherIsBetter, values }) => {
    const arrow = higherIsBetter === null ? '' : higherIsBetter ? ' ↑' : ' ↓'
    return [task, `${metric}${arrow}`, ...values.map((value) => value?.toFixed(3) ?? '–')]
  })
  return table(['benchmark', 'metric', ...models.map(({ name }) => name)], rows)
}

export function runsTable({ runs }: RunList): string {
  const rows = runs.map(({ runId, recipeName, status, createdAt, elapsedSeconds, model }) => [
    runId,
    recipeName,
    status,
    createdAt.slice(0, 16).replace('T', ' '),
    duration(elapsedSeconds),
    model ? `${model.name}@${model.version}` : '',
  ])
  return table(['run', 'recipe', 'status', 'created', 'took', 'model'], rows)
}

export function timelineLine({ at, status, note }: TimelineEntry): string {
  return `${at.slice(11, 19)}  ${status}${note ? `: ${note}` : ''}`
}

/** One run on a page: where it stands, what it has cost, why it failed. */
export function runPage(run: RunDetail): string {
  const { prepare, train, evaluate } = Object.groupBy(run.attempts, ({ step }) => step)
  const jobs = [...(prepare ?? []), ...(train ?? []), ...(evaluate ?? [])]
  const lines = [
    `run      ${run.runId}`,
    `recipe   ${run.recipeName}`,
    `status   ${run.status}`,
    `created  ${run.createdAt}`,
    ...(run.startedBy ? [`by       ${startedByText(run.startedBy)}`] : []),
    `took     ${duration(run.elapsedSeconds)}`,
  ]
  if (run.capacity) {
    const { instanceType, purchase, priceUsdPerHour } = run.capacity
    const { nodes = 1 } = run.recipe.resources
    const machines = nodes === 1 ? `${instanceType} ${purchase}` : `${nodes} × ${instanceType} ${purchase}`
    const each = nodes === 1 ? '' : ' each'
    lines.push(
      `cost     ${usd(run.costUsd)} (${machines} at ${usd(priceUsdPerHour)} an hour${each}, list price)`,
    )
  }
  if (run.reservation)
    lines.push(`reserved ${usd(run.reservation.usd)} of the budget for ${run.reservation.month}`)
  if (run.waiting) lines.push(`waiting  ${run.waiting.because}`, `         ${run.waiting.next}`)
  if (run.model) {
    const { name, version, uri, unfinished } = run.model
    lines.push(`model    ${name}@${version}${unfinished ? ' (unfinished)' : ''}  ${uri}`)
  }
  if (run.failure)
    lines.push(
      `failure  ${run.failure.code} in ${run.failure.step}: ${run.failure.message}`,
      `         ${run.failure.nextStep}`,
    )
  lines.push('', ...run.timeline.map(timelineLine), '')
  for (const { step, jobStatus, executions, statusReason } of jobs) {
    const codes = executions
      .map(({ node, exitCode }) => `${exitCode ?? '…'}${node === undefined ? '' : ` on node ${node}`}`)
      .join(', ')
    lines.push(
      `job ${step}: ${jobStatus}${codes ? `, exit code ${codes}` : ''}${statusReason ? ` (${statusReason})` : ''}`,
    )
  }
  return lines.join('\n')
}

/** The team's capacity options in order, and what of its month's money is left. */
export function teamPage({ team, region, capacity, budget }: TeamView): string {
  const options = capacity.map(({ instanceType, purchase, waitMinutes }) => [
    instanceType,
    purchase,
    `${waitMinutes} min`,
  ])
  const { month, limitUsd, committedUsd, spentUsd } = budget
  const spent = `${usd(spentUsd)} spent, ${usd(committedUsd - spentUsd)} reserved by runs under way`
  const left =
    limitUsd === null ? 'no limit' : `${usd(Math.max(0, limitUsd - committedUsd))} left of ${usd(limitUsd)}`
  return [
    `team     ${team} in ${region}`,
    `budget   ${month}: ${spent}, ${left}`,
    '',
    table(['capacity', 'purchase', 'waits'], options),
  ].join('\n')
}

export function lossLine(metrics: Metrics): string {
  const show = (loss: number | null | undefined) => (loss == null ? '–' : loss.toFixed(3))
  const heldOut = metrics.heldOutLoss
  return `training loss ${show(metrics.lossFirst)} → ${show(metrics.lossLast)}; on rows never trained on ${show(heldOut.at(0)?.loss)} → ${show(heldOut.at(-1)?.loss)}`
}
