import type { InstanceType } from './instance-types.ts'
import { largestModel } from './memory.ts'

const GIB = 2 ** 30

/**
 * Bytes a weight on the scratch disk, the most that the trainer asks for (roslin_trainer/preflight/disk.py): the model as it comes,
 * in 32 bits, and two checkpoints of 16; with adapters, the model in 16 bits and twice the merged one.
 */
const DISK_BYTES = { full: 4 + 2 * 16, lora: 3 * 2 } as const

/** Prepared rows; a million of 130 tokens are 1 GB. */
const ROWS_GIB = 10

/** What the largest model needs of a scratch disk that the machine can train whole, or with LoRA; in tens of GiB. */
export function scratchGib(type: InstanceType): number {
  const methods = ['full', 'lora'] as const
  const bytes = methods.map((method) => largestModel(method, type) * DISK_BYTES[method])
  return Math.ceil((Math.max(...bytes) / GIB + ROWS_GIB) / 10) * 10
}

/** GiB of the disks that the machine itself has. */
export function instanceStoreGib({ instanceStore }: InstanceType): number {
  return instanceStore ? Math.floor((instanceStore.disks * instanceStore.gigabytesEach * 1e9) / GIB) : 0
}
