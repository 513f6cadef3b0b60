import { RoslinError } from '../../core/errors.ts'
import { ASSUMED } from './assumed.ts'
import { FREE } from './free-types.ts'
import { LIST_PRICES, type ListPrice, type PriceName } from './list-prices.ts'
import { PRICED } from './priced-types.ts'
import type { Resources } from './template.ts'

export interface CostItem {
  /** The resource's logical id, or what it is where the template has none. */
  readonly resource: string
  readonly type: string
  readonly price: PriceName
  readonly quantity: number
  readonly basis: string
  readonly usdPerMonth: number
}

export interface CostAtRest {
  readonly items: readonly CostItem[]
  /** Type → how many, and why they cost nothing. */
  readonly free: Readonly<Record<string, { readonly count: number; readonly because: string }>>
  /** As if the account had nothing free. */
  readonly listUsd: number
  /** In an account that has no other use for what is free for ever. */
  readonly afterAlwaysFreeUsd: number
}

/** Stands for an image that the deployment builds: it lies in a registry, and no resource of the template says so. */
const IMAGE_TYPE = 'AWS::ECR::Repository'

/**
 * What a team pays in a month without a run.
 * @param builtImages container images that a deployment pushes
 * @throws RoslinError RESOURCE_UNPRICED, naming the types of resources that nobody has looked up.
 */
export function costAtRest(resources: Resources, builtImages: number): CostAtRest {
  const entries = Object.entries(resources)
  refuseUnknown(entries.map(([, { Type }]) => Type))
  const items = entries.flatMap(([resource, { Type: type, Properties = {} }]) =>
    (PRICED[type]?.(Properties, resources) ?? []).map((usage) => ({ resource, type, ...usage })),
  )
  const imageGiB = builtImages * ASSUMED.images * ASSUMED.imageGiB
  if (imageGiB > 0) {
    const basis = `this deployment's and the last one's, ${ASSUMED.imageGiB} GiB each`
    items.push({ resource: 'trainer image', type: IMAGE_TYPE, price: 'imageGiB', quantity: imageGiB, basis })
  }
  const priced = items
    .filter(({ quantity }) => quantity > 0)
    .map((item) => ({ ...item, usdPerMonth: item.quantity * LIST_PRICES[item.price].usd }))
  return {
    items: priced,
    free: freeOf(entries.map(([, { Type }]) => Type)),
    listUsd: priced.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0),
    afterAlwaysFreeUsd: afterAlwaysFree(priced),
  }
}

function refuseUnknown(types: readonly string[]): void {
  const unknown = [...new Set(types)].filter((type) => !(type in PRICED) && !(type in FREE))
  if (unknown.length === 0) return
  throw new RoslinError(
    'RESOURCE_UNPRICED',
    `The template has resources whose cost at rest is not known: ${unknown.join(', ')}.`,
    'Look each up and add it to infra/cost/priced-types.ts, or with its reason to infra/cost/free-types.ts.',
  )
}

function freeOf(types: readonly string[]): CostAtRest['free'] {
  const counts = Map.groupBy(types, (type) => type)
  return Object.fromEntries(
    [...counts].flatMap(([type, { length: count }]) => {
      const because = FREE[type]
      return because ? [[type, { count, because }] as const] : []
    }),
  )
}

function afterAlwaysFree(items: readonly CostItem[]): number {
  return [...Map.groupBy(items, ({ price }) => price)].reduce((sum, [name, ofPrice]) => {
    const { usd, alwaysFree = 0 }: ListPrice = LIST_PRICES[name]
    const quantity = ofPrice.reduce((total, item) => total + item.quantity, 0)
    return sum + Math.max(0, quantity - alwaysFree) * usd
  }, 0)
}
