import type { RunStatusChange } from '../../core/run-events.ts'
import type { Profile } from '../../core/run-files.ts'
import type { DeploymentOptions } from '../commands/options.ts'
import { answersTable, duration, lossLine } from '../format.ts'
import { table } from '../table.ts'
import { show } from './show.ts'

export const showMetrics = (runId: string, options: DeploymentOptions) =>
  show(
    options,
    (client) => client.getMetrics(runId),
    (metrics) => {
      const { step, totalSteps, epoch, epochs, tokensPerSecond, etaSeconds } = metrics
      const speed = tokensPerSecond === null ? '' : `, ${Math.round(tokensPerSecond)} tokens/s`
      const left = etaSeconds ? `, ${duration(etaSeconds)} left` : ''
      return `step ${step} of ${totalSteps}, epoch ${epoch} of ${epochs}${speed}${left}\n${lossLine(metrics)}`
    },
  )

export const showSamples = (runId: string, options: DeploymentOptions) =>
  show(
    options,
    (client) => client.getSamples(runId),
    (samples) => answersTable(samples),
  )

export const showEvents = (runId: string, options: DeploymentOptions) =>
  show(
    options,
    (client) => client.getEvents(runId),
    ({ events }) => eventsTable(events),
  )

export const showProfile = (runId: string, options: DeploymentOptions & { readonly node: number }) =>
  show(options, (client) => client.getProfile(runId, options.node), profilePage)

function eventsTable(events: readonly RunStatusChange[]): string {
  return table(
    ['at', 'status', 'said'],
    events.map(({ at, status, summary }) => [at.slice(0, 19).replace('T', ' '), status, summary]),
  )
}

/** What its processors and each of its GPUs did, in the mean and at most. */
function profilePage({ node, instanceType, note, gpus, summary }: Profile): string {
  const figure = ({ mean, max }: { mean: number | null; max: number | null }, unit: string) =>
    mean === null || max === null ? '–' : `${Math.round(mean)} (${Math.round(max)}) ${unit}`
  const rows = [
    ['host', figure(summary.host.cpuPercent, '%'), figure(summary.host.memoryMiB, 'MiB'), '', ''],
    ...summary.gpus.map((gpu, index) => [
      `${gpus[index]?.index ?? index} ${gpus[index]?.name ?? ''}`,
      figure(gpu.utilisationPercent, '%'),
      figure(gpu.memoryMiB, 'MiB'),
      figure(gpu.powerWatts, 'W'),
      `${gpu.energyKwh.toFixed(2)} kWh`,
    ]),
  ]
  return [
    `machine ${node}${instanceType ? `, ${instanceType}` : ''}: ${summary.hours.toFixed(2)} h; mean (most)`,
    table(['', 'busy', 'memory', 'power', 'energy'], rows),
    ...(note ? [note] : []),
  ].join('\n')
}
