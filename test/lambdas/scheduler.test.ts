import { GetScheduleCommand, SchedulerClient, UpdateScheduleCommand } from '@aws-sdk/client-scheduler'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { pauseSchedule } from '../../lambdas/scheduler.ts'

const HOUR = 3_600_000
const now = new Date('2026-07-10T12:00:00Z')

beforeEach(() => {
  vi.useFakeTimers({ now })
  vi.stubEnv('SCHEDULE_GROUP_NAME', 'team')
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('a schedule that is paused or resumed', () => {
  it('keeps its rate, from the next of its times: AWS takes no start that has passed', async () => {
    expect((await updated('rate(5 hours)', -23)).StartDate).toEqual(new Date(now.getTime() + 2 * HOUR))
  })

  it('begins when it would have begun', async () => {
    expect((await updated('rate(5 hours)', 3)).StartDate).toEqual(new Date(now.getTime() + 3 * HOUR))
  })

  it('has no start where it had none', async () => {
    expect(await updated('cron(0 2 * * ? *)')).not.toHaveProperty('StartDate')
  })
})

/** What Scheduler is told for a schedule that began so many hours from now. */
async function updated(ScheduleExpression: string, startsInHours?: number) {
  const StartDate = startsInHours === undefined ? undefined : new Date(now.getTime() + startsInHours * HOUR)
  const send = vi.spyOn(SchedulerClient.prototype, 'send').mockImplementation(async (command) => {
    return command instanceof GetScheduleCommand ? { ScheduleExpression, StartDate } : {}
  })
  await pauseSchedule('nightly', true)
  const command = send.mock.lastCall?.[0]
  if (!(command instanceof UpdateScheduleCommand)) throw new Error('nothing was updated')
  return command.input
}
