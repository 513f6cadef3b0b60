import { describe, expect, it } from 'vitest'
import { missedTimes } from '../../core/missed-times.ts'
import { expressionProblem, nextFirings, timeZoneProblem } from '../../core/schedule-expression.ts'

const next = (expression: string, timeZone: string, after: string, count = 3) =>
  nextFirings({ expression, timeZone }, new Date(after), count, new Date(after)).map((time) =>
    time.toISOString().replace(':00.000Z', 'Z'),
  )

describe('the next firings of a cron', () => {
  it.each([
    // AWS counts Sunday as 1.
    ['cron(0 9 ? * 2 *)', ['2026-11-30T09:00Z', '2026-12-07T09:00Z']],
    ['cron(0 9 ? * MON-FRI *)', ['2026-11-24T09:00Z', '2026-11-25T09:00Z']],
    ['cron(0 0 ? * L *)', ['2026-11-28T00:00Z', '2026-12-05T00:00Z']],
    ['cron(0 0 ? * 6L *)', ['2026-11-27T00:00Z', '2026-12-25T00:00Z']],
    ['cron(0 0 ? * 3#2 *)', ['2026-12-08T00:00Z', '2027-01-12T00:00Z']],
    ['cron(0 0 L * ? *)', ['2026-11-30T00:00Z', '2026-12-31T00:00Z']],
    ['cron(0 0 15W * ? *)', ['2026-12-15T00:00Z', '2027-01-15T00:00Z']],
    ['cron(0/15 8 * * ? *)', ['2026-11-24T08:00Z', '2026-11-24T08:15Z']],
    ['cron(0 0 1 1 ? 2030)', ['2030-01-01T00:00Z']],
    ['cron(0 0 1 1 ? 2020)', []],
  ])('%s are %j', (expression, times) => {
    expect(next(expression, 'UTC', '2026-11-24T00:00:00Z', 2)).toEqual(times)
  })

  it('are at the same hour of the time zone, summer and winter', () => {
    expect(next('cron(0 9 * * ? *)', 'Europe/London', '2026-10-24T00:00:00Z')).toEqual([
      '2026-10-24T08:00Z',
      '2026-10-25T09:00Z',
      '2026-10-26T09:00Z',
    ])
  })

  it('leave out a local time that the clocks skip in spring', () => {
    // In London the hour from 1:00 on 29 March 2026 is not there; in New York the one from 2:00 on 8 March.
    expect(next('cron(30 1 * * ? *)', 'Europe/London', '2026-03-28T10:00:00Z', 1)).toEqual([
      '2026-03-30T00:30Z',
    ])
    expect(next('cron(30 2 * * ? *)', 'America/New_York', '2026-03-07T10:00:00Z', 1)).toEqual([
      '2026-03-09T06:30Z',
    ])
  })

  it('have once what the clocks show twice in autumn', () => {
    expect(next('cron(30 1 * * ? *)', 'Europe/London', '2026-10-24T10:00:00Z', 2)).toEqual([
      '2026-10-25T00:30Z',
      '2026-10-26T01:30Z',
    ])
  })
})

describe('the next firings of a rate', () => {
  it('are counted from its start, whatever the clocks do', () => {
    const start = new Date('2026-10-24T12:00:00Z')
    const times = nextFirings({ expression: 'rate(1 day)', timeZone: 'Europe/London' }, start, 2, start)
    expect(times.map((time) => time.toISOString())).toEqual([
      '2026-10-25T12:00:00.000Z',
      '2026-10-26T12:00:00.000Z',
    ])
  })

  it('begin with its start where that is to come', () => {
    const start = new Date('2026-11-25T00:00:00Z')
    const time = { expression: 'rate(12 hours)', timeZone: 'UTC' }
    expect(nextFirings(time, new Date('2026-11-24T00:00:00Z'), 1, start)).toEqual([start])
  })
})

describe('an expression', () => {
  it.each(['rate(1 minute)', 'rate(7 days)', 'cron(0 2 ? * SAT *)', 'cron(0/5 8-17 * * ? 2026-2030)'])(
    '%s is taken',
    (text) => {
      expect(expressionProblem(text)).toBeUndefined()
    },
  )

  it.each([
    ['rate(0 minutes)', /neither rate/],
    ['rate(2 weeks)', /neither rate/],
    ['at(2026-11-24T00:00:00)', /neither rate/],
    ['0 2 * * *', /neither rate/],
    ['cron(0 2 * * * *)', /needs \?/],
    ['cron(0 2 ? * ? *)', /needs \?/],
    ['cron(70 2 * * ? *)', /minute/],
    ['cron(0 2 ? * 8 *)', /days of the week/],
  ])('%s is refused', (text, why) => {
    expect(expressionProblem(text)).toMatch(why)
  })

  it('is read in a time zone of IANA', () => {
    expect(timeZoneProblem('Europe/London')).toBeUndefined()
    expect(timeZoneProblem('Mars/Base')).toMatch(/no time zone/)
  })
})

describe('a time due that nothing was heard of', () => {
  const time = { expression: 'rate(1 hour)', timeZone: 'UTC' }
  const at = (hour: string) => new Date(`2026-11-24T${hour}:00Z`)
  const known = { start: at('00:00'), changedAt: at('00:00'), lastDue: at('03:00').toISOString() }

  it('is missed once its window and retries have passed', () => {
    expect(missedTimes(time, known, at('06:30'), 60)).toEqual(
      [at('04:00'), at('05:00')].map((due) => due.toISOString()),
    )
  })

  it('is none from before the schedule was last changed: it may have been paused', () => {
    expect(missedTimes(time, { ...known, changedAt: at('05:30') }, at('06:30'), 60)).toEqual([])
  })
})
