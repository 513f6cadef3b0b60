/** How a step's container ends. The container contract: any image that keeps this table can replace ours. */
export const EXIT_CODES = {
  succeeded: 0,
  unexpected: 1,
  userError: 10,
  modelUnreadable: 11,
  interrupted: 20,
  outOfMemory: 21,
  hung: 22,
  diverged: 23,
  budgetStopped: 24,
  driverMismatch: 30,
  resourcesMissing: 31,
  gpuUnsupported: 32,
  gpusMissing: 33,
  gpuMemoryTooSmall: 34,
  precisionUnsupported: 35,
  storageDenied: 36,
  communicationFailed: 37,
  storage: 40,
} as const

/** After these Batch starts the same job again: the host went away, not the training. */
export const RETRIED_EXIT_CODES: readonly number[] = [EXIT_CODES.interrupted, EXIT_CODES.storage]
