/** How a machine is paid for: by list price, by the Spot market's, or out of a reservation that bills whether it is used or not. */
export const PURCHASES = ['on-demand', 'spot', 'reserved'] as const
export type Purchase = (typeof PURCHASES)[number]
