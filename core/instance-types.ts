export type GpuArchitecture = 'volta' | 'ampere' | 'ada' | 'hopper'

export interface InstanceType {
  readonly vcpus: number
  readonly memoryGiB: number
  readonly gpu?: {
    readonly name: string
    readonly count: number
    readonly memoryGiB: number
    readonly architecture: GpuArchitecture
  }
  /** Linux on demand, us-east-1. `checkedOn` is missing where the figure is remembered, not looked up. */
  readonly price: { readonly usdPerHour: number; readonly checkedOn?: string }
}

/** Sources: the EC2 instance type pages; prices as dated. */
export const INSTANCE_TYPES = {
  'm7i.large': { vcpus: 2, memoryGiB: 8, price: { usdPerHour: 0.1008 } },
  'm7i.2xlarge': { vcpus: 8, memoryGiB: 32, price: { usdPerHour: 0.4032 } },
  'm7i.8xlarge': { vcpus: 32, memoryGiB: 128, price: { usdPerHour: 1.6128 } },
  'g5.xlarge': {
    vcpus: 4,
    memoryGiB: 16,
    gpu: { name: 'A10G', count: 1, memoryGiB: 24, architecture: 'ampere' },
    price: { usdPerHour: 1.006 },
  },
  'g5.12xlarge': {
    vcpus: 48,
    memoryGiB: 192,
    gpu: { name: 'A10G', count: 4, memoryGiB: 24, architecture: 'ampere' },
    price: { usdPerHour: 5.672 },
  },
  'g5.48xlarge': {
    vcpus: 192,
    memoryGiB: 768,
    gpu: { name: 'A10G', count: 8, memoryGiB: 24, architecture: 'ampere' },
    price: { usdPerHour: 16.288 },
  },
  'g6e.12xlarge': {
    vcpus: 48,
    memoryGiB: 384,
    gpu: { name: 'L40S', count: 4, memoryGiB: 48, architecture: 'ada' },
    price: { usdPerHour: 10.493 },
  },
  'p3dn.24xlarge': {
    vcpus: 96,
    memoryGiB: 768,
    gpu: { name: 'V100', count: 8, memoryGiB: 32, architecture: 'volta' },
    price: { usdPerHour: 31.212, checkedOn: '2026-11-24' },
  },
  'p4d.24xlarge': {
    vcpus: 96,
    memoryGiB: 1152,
    gpu: { name: 'A100', count: 8, memoryGiB: 40, architecture: 'ampere' },
    price: { usdPerHour: 21.96, checkedOn: '2026-11-24' },
  },
  'p4de.24xlarge': {
    vcpus: 96,
    memoryGiB: 1152,
    gpu: { name: 'A100', count: 8, memoryGiB: 80, architecture: 'ampere' },
    price: { usdPerHour: 27.447 },
  },
  'p5.48xlarge': {
    vcpus: 192,
    memoryGiB: 2048,
    gpu: { name: 'H100', count: 8, memoryGiB: 80, architecture: 'hopper' },
    price: { usdPerHour: 55.04 },
  },
} as const satisfies Record<string, InstanceType>

export type InstanceTypeName = keyof typeof INSTANCE_TYPES

export function isInstanceType(name: string): name is InstanceTypeName {
  return name in INSTANCE_TYPES
}

export function instanceType(name: InstanceTypeName): InstanceType {
  return INSTANCE_TYPES[name]
}
