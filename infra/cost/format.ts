import type { CostAtRest, CostItem } from './at-rest.ts'
import { LIST_PRICES, type ListPrice, PRICES_AS_OF } from './list-prices.ts'

/** For people: the items by price, dearest first, what each rests on, and two totals. */
export function formatCost(team: string, { items, free, listUsd, afterAlwaysFreeUsd }: CostAtRest): string {
  const groups = [...Map.groupBy(items, ({ price }) => price)]
    .map(([price, ofPrice]) => ({ price: LIST_PRICES[price] as ListPrice, ofPrice, usd: sum(ofPrice) }))
    .sort((a, b) => b.usd - a.usd)
  const lines = groups.flatMap(({ price, ofPrice, usd }) => [
    `${money(usd)}  ${amount(ofPrice)} × $${price.usd} per ${price.unit}${freeNote(price)}  [${price.source}]`,
    ...ofPrice.map((item) => `            ${item.resource}: ${item.basis}`),
  ])
  const nothing = Object.entries(free).map(([type, { count, because }]) => `  ${count} × ${type}: ${because}`)
  return [
    `Team ${team}, a month without a run. List prices of us-east-1 as of ${PRICES_AS_OF}.`,
    '',
    ...lines,
    '',
    'Nothing at rest:',
    ...nothing,
    '',
    `${money(listUsd)}  a month at list price`,
    `${money(afterAlwaysFreeUsd)}  a month after what every account has free for ever (its other users share it)`,
    '',
  ].join('\n')
}

const sum = (items: readonly CostItem[]) => items.reduce((total, { usdPerMonth }) => total + usdPerMonth, 0)
const money = (usd: number) => `$${usd.toFixed(3)}`.padStart(9)

function amount(items: readonly CostItem[]): string {
  const quantity = items.reduce((total, item) => total + item.quantity, 0)
  return Number(quantity.toPrecision(4)).toString()
}

function freeNote({ alwaysFree }: ListPrice): string {
  return alwaysFree ? `, ${alwaysFree} free` : ''
}
