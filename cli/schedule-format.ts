import type { Firing } from '../core/firing.ts'
import type { ScheduleList, ScheduleView } from '../core/schedule.ts'
import { table } from './table.ts'

export function schedulesTable({ schedules }: ScheduleList): string {
  const rows = schedules.map((schedule) => {
    const { name, recipeName, expression, timeZone, paused, nextFirings, lastFirings, missed } = schedule
    const [last] = lastFirings
    return [
      name,
      recipeName,
      `${expression} ${timeZone}`,
      paused ? 'paused' : (nextFirings[0] ?? 'never'),
      [last ? firingText(last) : 'not yet', ...(missed.length > 0 ? [`${missed.length} missed`] : [])].join(
        ', ',
      ),
    ]
  })
  return table(['schedule', 'recipe', 'when', 'next', 'last'], rows)
}

/** One schedule on a page: when it fires next, and what became of its last firings. */
export function schedulePage(schedule: ScheduleView): string {
  const { name, source, recipeName, expression, timeZone, jitterMinutes, overlap, whenUnchanged } = schedule
  return [
    `schedule  ${name}${source === 'file' ? ' (of the team file)' : ''}`,
    `recipe    ${recipeName}`,
    `when      ${expression} ${timeZone}${jitterMinutes > 0 ? `, within ${jitterMinutes} min` : ''}`,
    `overlap   ${overlap}; when unchanged: ${whenUnchanged}`,
    `next      ${schedule.paused ? 'paused' : schedule.nextFirings.join(', ') || 'never'}`,
    ...schedule.missed.map((due) => `missed    ${due}`),
    ...(schedule.lastFirings.length > 0 ? [''] : []),
    ...schedule.lastFirings.map((firing) => `${firing.key}  ${firingText(firing)}`),
  ].join('\n')
}

function firingText({ status, runId, code, note, sameAs }: Firing): string {
  const why = [code, note, sameAs && `The last success is run ${sameAs}.`].filter(Boolean).join(': ')
  return [status, runId, why && `(${why})`].filter(Boolean).join(' ')
}
