import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { asked, mayStart, type StartCircumstances } from '../../cli/consent.ts'
import { modelParameters } from '../../core/base-model.ts'
import { knownSize, resolvedSize } from '../../core/data-size.ts'
import { makeEstimate, withEpochs } from '../../core/estimate.ts'
import { checkedInRecipe } from '../support/checked-in.ts'
import { capacityOption } from '../support/recipes.ts'
import { thrownBy } from '../support/thrown.ts'

const dolly = withEpochs(checkedInRecipe('dolly-v1'), 1)

function estimateOf(...capacity: ReturnType<typeof capacityOption>[]) {
  return makeEstimate({
    recipe: dolly,
    parameters: modelParameters(dolly),
    data: resolvedSize(dolly, {}, knownSize(dolly)),
    region: 'us-east-1',
    team: { name: 'example', capacity },
  })
}

/** $21.50 to $36.50. */
const dear = estimateOf(capacityOption('p3dn.24xlarge'))
const circumstances: StartCircumstances = {
  estimate: dear,
  maxUsd: undefined,
  isAllowed: false,
  isLimited: false,
  isInteractive: false,
  isPaid: true,
}
const cheap = {
  ...dear,
  options: dear.options.map((option) => ({
    ...option,
    total: { ...option.total, usd: { low: 0.1, expected: 0.5, high: 0.99 } },
  })),
}

describe('a run', () => {
  it.each<[string, Partial<StartCircumstances>, 'start' | 'ask']>([
    ['is asked about at a terminal', { isInteractive: true }, 'ask'],
    ['is asked about at a terminal, however cheap', { isInteractive: true, estimate: cheap }, 'ask'],
    [
      'is asked about at a terminal where no estimate can be made',
      { isInteractive: true, estimate: undefined },
      'ask',
    ],
    ['is asked about at a terminal on the embedded AWS too', { isInteractive: true, isPaid: false }, 'ask'],
    ['starts at once with --yes, at a terminal', { isInteractive: true, isAllowed: true }, 'start'],
    ['starts at once with --yes, in a script', { isAllowed: true }, 'start'],
    ['starts in a script with a limit of its own', { isLimited: true, maxUsd: 50 }, 'start'],
    ['starts in a script where it costs less than a dollar', { estimate: cheap }, 'start'],
    ['starts in a script on the embedded AWS, where nothing is paid', { isPaid: false }, 'start'],
    ['starts in a script there without an estimate too', { isPaid: false, estimate: undefined }, 'start'],
  ])('%s', (_, given, expected) => {
    expect(mayStart({ ...circumstances, ...given })).toBe(expected)
  })

  it('is refused in a script that has given no leave, and says what to give', () => {
    const error = thrownBy(() => mayStart(circumstances))
    expect(error.code).toBe('CONFIRMATION_NEEDED')
    expect(error.message).toContain('up to $36.50')
    expect(error.nextStep).toMatch(/--yes .* --max-usd/)
    const unknown = thrownBy(() => mayStart({ ...circumstances, estimate: undefined }))
    expect(unknown.message).toContain('is not known')
  })

  it('is refused in a script where a later option is dear, though the first is not', () => {
    const [option] = cheap.options
    const both = { ...dear, options: [...(option ? [option] : []), ...dear.options] }
    expect(thrownBy(() => mayStart({ ...circumstances, estimate: both })).code).toBe('CONFIRMATION_NEEDED')
  })

  it.each([
    ['asked for on the command line', { isLimited: true }],
    ["of the recipe's own", {}],
    ['and --yes', { isAllowed: true }],
    ['at a terminal', { isInteractive: true }],
  ])('is refused where it cannot keep its limit: %s', (_, given) => {
    const error = thrownBy(() => mayStart({ ...circumstances, ...given, maxUsd: 20 }))
    expect(error.code).toBe('ESTIMATE_OVER_LIMIT')
    expect(error.message).toBe(
      'The run costs at least $21.50 on p3dn.24xlarge on-demand; the limit is $20.00.',
    )
  })

  it('may start where only the low end of its estimate keeps the limit', () => {
    expect(mayStart({ ...circumstances, isLimited: true, maxUsd: 21.6 })).toBe('start')
  })

  it('on Spot is not held to the list price by its limit', () => {
    const spot = estimateOf(capacityOption('p3dn.24xlarge', { purchase: 'spot' }))
    expect(mayStart({ ...circumstances, estimate: spot, isLimited: true, maxUsd: 5 })).toBe('start')
    expect(thrownBy(() => mayStart({ ...circumstances, estimate: spot, maxUsd: 1 })).code).toBe(
      'ESTIMATE_OVER_LIMIT',
    )
  })
})

describe('the question', () => {
  const answer = async (text: string | null) => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    const answered = asked('Start it?', input, output)
    if (text === null) input.end()
    else input.write(text)
    const result = await answered
    expect(String(output.read())).toContain('Start it? [y/N] ')
    return result
  }

  it.each<[string, string | null, boolean]>([
    ['y', 'y\n', true],
    ['YES', ' YES \n', true],
    ['n', 'n\n', false],
    ['an empty line', '\n', false],
    ['anything else', 'yesterday\n', false],
    ['the end of the input', null, false],
  ])('is answered by %s', async (_, text, expected) => {
    expect(await answer(text)).toBe(expected)
  })
})
