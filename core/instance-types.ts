export const GPU_ARCHITECTURES = ['volta', 'ampere', 'ada', 'hopper'] as const
export type GpuArchitecture = (typeof GPU_ARCHITECTURES)[number]

interface Gpu {
  readonly name: string
  readonly architecture: GpuArchitecture
  /** Dense, 10^12 operations a second: `half` in 16 bits on tensor cores, `single` in 32 bits without them. */
  readonly peakTflops: { readonly half: number; readonly single: number }
}

export interface InstanceType {
  readonly vcpus: number
  readonly memoryGiB: number
  /** NVMe disks in the machine itself, empty at its start and gone with it; GB of 10^9 bytes each. */
  readonly instanceStore?: { readonly disks: number; readonly gigabytesEach: number }
  /** Network cards with an Elastic Fabric Adapter; missing where the type has none. */
  readonly efaCards?: number
  readonly gpu?: Gpu & { readonly count: number; readonly memoryGiB: number }
}

/** Source: NVIDIA's data sheets; the A10G is a card of AWS's own, at half the tensor speed of an A10. */
const V100 = { name: 'V100', architecture: 'volta', peakTflops: { half: 125, single: 15.7 } } as const
const A10G = { name: 'A10G', architecture: 'ampere', peakTflops: { half: 70, single: 31.5 } } as const
const A100 = { name: 'A100', architecture: 'ampere', peakTflops: { half: 312, single: 19.5 } } as const
const L40S = { name: 'L40S', architecture: 'ada', peakTflops: { half: 362, single: 91.6 } } as const
const H100 = { name: 'H100', architecture: 'hopper', peakTflops: { half: 989, single: 66.9 } } as const

const disks = (count: number, gigabytesEach: number) => ({ instanceStore: { disks: count, gigabytesEach } })

/**
 * Source: the EC2 instance type pages; for the network cards, the EC2 user guide's table of accelerated computing. What they cost
 * is in prices.json.
 */
export const INSTANCE_TYPES = {
  'm7i.large': { vcpus: 2, memoryGiB: 8 },
  'm7i.2xlarge': { vcpus: 8, memoryGiB: 32 },
  'm7i.8xlarge': { vcpus: 32, memoryGiB: 128 },
  'g5.xlarge': { vcpus: 4, memoryGiB: 16, ...disks(1, 250), gpu: { ...A10G, count: 1, memoryGiB: 24 } },
  'g5.12xlarge': {
    vcpus: 48,
    memoryGiB: 192,
    ...disks(1, 3800),
    efaCards: 1,
    gpu: { ...A10G, count: 4, memoryGiB: 24 },
  },
  'g5.48xlarge': {
    vcpus: 192,
    memoryGiB: 768,
    ...disks(2, 3800),
    efaCards: 1,
    gpu: { ...A10G, count: 8, memoryGiB: 24 },
  },
  'g6e.12xlarge': {
    vcpus: 48,
    memoryGiB: 384,
    ...disks(2, 1900),
    efaCards: 1,
    gpu: { ...L40S, count: 4, memoryGiB: 48 },
  },
  'p3dn.24xlarge': {
    vcpus: 96,
    memoryGiB: 768,
    ...disks(2, 900),
    efaCards: 1,
    gpu: { ...V100, count: 8, memoryGiB: 32 },
  },
  'p4d.24xlarge': {
    vcpus: 96,
    memoryGiB: 1152,
    ...disks(8, 1000),
    efaCards: 4,
    gpu: { ...A100, count: 8, memoryGiB: 40 },
  },
  'p4de.24xlarge': {
    vcpus: 96,
    memoryGiB: 1152,
    ...disks(8, 1000),
    efaCards: 4,
    gpu: { ...A100, count: 8, memoryGiB: 80 },
  },
  'p5.48xlarge': {
    vcpus: 192,
    memoryGiB: 2048,
    ...disks(8, 3840),
    efaCards: 32,
    gpu: { ...H100, count: 8, memoryGiB: 80 },
  },
} as const satisfies Record<string, InstanceType>

export type InstanceTypeName = keyof typeof INSTANCE_TYPES

export const INSTANCE_TYPE_NAMES = Object.keys(INSTANCE_TYPES) as InstanceTypeName[]

export function isInstanceType(name: string): name is InstanceTypeName {
  return name in INSTANCE_TYPES
}

export function instanceType(name: InstanceTypeName): InstanceType {
  return INSTANCE_TYPES[name]
}
