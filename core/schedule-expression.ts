import { Cron } from 'croner'

export interface ScheduleTime {
  /** EventBridge Scheduler's `cron(…)` or `rate(…)`. */
  readonly expression: string
  /** IANA's name, as in Europe/London. A rate does not depend on it. */
  readonly timeZone: string
}

const UNIT_MINUTES = { minute: 1, hour: 60, day: 24 * 60 } as const
const RATE = /^rate\(([1-9]\d{0,5}) (minute|hour|day)s?\)$/
const CRON = /^cron\((\S+ \S+ (\S+) \S+ (\S+) \S+)\)$/

/** Occurrences that fall into the hour which a zone leaves out, one after the other: none has more. */
const MOST_LEFT_OUT = 100

/** Why it cannot be used, or undefined. */
export function expressionProblem(expression: string): string | undefined {
  if (RATE.test(expression)) return undefined
  const [, , dayOfMonth, dayOfWeek] = CRON.exec(expression) ?? []
  if (dayOfMonth === undefined)
    return 'is neither rate(<number> minutes|hours|days) nor cron(<minute> <hour> <day of month> <month> <day of week> <year>)'
  if ((dayOfMonth === '?') === (dayOfWeek === '?'))
    return 'needs ? as its day of the month or as its day of the week, and not as both'
  if (/(^|[,-])(0|[89]|\d\d)/.test(dayOfWeek ?? ''))
    return 'has days of the week other than 1 (SUN) to 7 (SAT)'
  try {
    parseCron({ expression, timeZone: 'UTC' })
    return undefined
  } catch (error) {
    return `cannot be read: ${(error as Error).message.replace('CronPattern: ', '')}`
  }
}

export function timeZoneProblem(timeZone: string): string | undefined {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
    return undefined
  } catch {
    return 'is no time zone of IANA, such as UTC or Europe/London'
  }
}

/**
 * The next times it fires, none where a cron has no more years. As EventBridge Scheduler does it: a local time that the clocks
 * skip in spring is left out, one that they show twice in autumn fires once.
 * @param start from when on a rate counts
 */
export function nextFirings(time: ScheduleTime, after: Date, count: number, start: Date): Date[] {
  const minutes = rateMinutes(time.expression)
  return minutes === undefined
    ? nextOfCron(time, after, count)
    : nextOfRate(minutes * 60_000, after, count, start)
}

/** Undefined for a cron. */
export function rateMinutes(expression: string): number | undefined {
  const [, number, unit] = RATE.exec(expression) ?? []
  return number === undefined ? undefined : Number(number) * UNIT_MINUTES[unit as keyof typeof UNIT_MINUTES]
}

function nextOfRate(milliseconds: number, after: Date, count: number, start: Date): Date[] {
  const passed = Math.floor((after.getTime() - start.getTime()) / milliseconds)
  const first = start.getTime() + Math.max(0, passed + 1) * milliseconds
  return Array.from({ length: count }, (_, index) => new Date(first + index * milliseconds))
}

function nextOfCron(time: ScheduleTime, after: Date, count: number): Date[] {
  const cron = parseCron(time)
  const found: Date[] = []
  let from: Date | null = after
  for (let left = count + MOST_LEFT_OUT; left > 0 && found.length < count; left--) {
    from = cron.nextRun(from)
    if (!from) break
    // Croner moves a time that does not exist to the next that does; AWS leaves it out.
    if (cron.match(from)) found.push(from)
  }
  return found
}

function parseCron({ expression, timeZone }: ScheduleTime): Cron {
  const [, fields = ''] = CRON.exec(expression) ?? []
  const [minute, hour, dayOfMonth, month, dayOfWeek, year] = fields.split(' ')
  // AWS has no seconds, counts Sunday as 1, and means Saturday by a day of the week of L alone.
  const day = dayOfWeek === 'L' ? '7' : dayOfWeek
  return new Cron(`0 ${minute} ${hour} ${dayOfMonth} ${month} ${day} ${year}`, {
    mode: '7-part',
    alternativeWeekdays: true,
    domAndDow: true,
    sloppyRanges: true,
    timezone: timeZone,
    paused: true,
  })
}
