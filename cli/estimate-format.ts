import type { Estimate, EstimatedOption } from '../core/estimate-schema.ts'
import type { Range } from '../core/speed.ts'
import { duration, usd } from './format.ts'
import { table } from './table.ts'

const hours = (value: number) => duration(value * 3600)

function withRange({ low, expected, high }: Range, show: (value: number) => string): string {
  const [from, to] = [show(low), show(high)]
  return from === to ? show(expected) : `${show(expected)} (${from} to ${to})`
}

/** One line for each option: what it takes, and what it costs. */
export function estimateTable(
  { options, region, nodes }: Estimate,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  const rows = options.map((option) => {
    const { price, train, evaluate, total, published } = option
    return [
      optionText(option, nodes),
      `$${price.usdPerHour}${price.region === region ? '' : `\n(${price.region}'s)`}`,
      withRange(train.hours, hours),
      hours(evaluate.hours.expected),
      withRange(total.usd, usd),
      published ? `${hours(published.hours)}, ${usd(published.usd)}` : '–',
    ]
  })
  return table(
    ['option', nodes === 1 ? 'an hour' : 'an hour each', 'train', 'evaluate', 'dollars', 'as published'],
    rows,
    stream,
  )
}

function optionText(
  { instanceType, purchase, isFastest, isCheapest }: EstimatedOption,
  nodes: number,
): string {
  const marks = [...(isFastest ? ['fastest'] : []), ...(isCheapest ? ['cheapest'] : [])]
  const times = nodes === 1 ? '' : `${nodes} × `
  return `${times}${instanceType} ${purchase}${marks.length > 0 ? `\n${marks.join(', ')}` : ''}`
}

/** The whole of an estimate: the table, and what each figure rests on. */
export function estimatePage(estimate: Estimate): string {
  const { recipe, epochs, model, data, region, options, refused } = estimate
  const number = (value: number) => value.toLocaleString('en')
  const lines = [
    `${recipe}: ${model.source} (${(model.parameters / 1e9).toFixed(2)} B weights), ${epochs} epoch${epochs > 1 ? 's' : ''} of ${number(data.trainRows)} rows, ${number(data.tokensPerRow)} tokens each; prices of ${region}`,
    estimateTable(estimate),
    ...bases('data', [['', data.because]]),
    ...bases(
      'train',
      byOption(options, ({ train }) => train.because),
    ),
    ...bases(
      'evaluate',
      byOption(options, ({ evaluate }) => evaluate.because),
    ),
    ...bases(
      'price',
      byOption(options, ({ price }) => price.because),
    ),
    ...bases(
      'published',
      byOption(options, ({ published }) => published?.because),
    ),
    `prepare    ${estimate.prepare.because}`,
    ...estimate.notes.map((note) => `note       ${note}`),
    ...refused.map(({ option, reason }) => `not on     ${option}: ${reason}`),
  ]
  return lines.join('\n')
}

type Basis = readonly [options: string, because: string]

/** Options with the same basis share a line; where all do, it names none. */
function byOption(
  options: readonly EstimatedOption[],
  because: (option: EstimatedOption) => string | undefined,
): Basis[] {
  const groups = Map.groupBy(options, because)
  return [...groups].flatMap(([text, of]): Basis[] => {
    if (text === undefined) return []
    const names = of.map(({ instanceType, purchase }) => `${instanceType} ${purchase}`)
    return [[groups.size === 1 ? '' : `${names.join(', ')}: `, text]]
  })
}

function bases(of: string, groups: readonly Basis[]): string[] {
  return groups.map(([options, because]) => `${of.padEnd(10)} ${options}${because}`)
}
