import { z } from 'zod'
import { INSTANCE_TYPES, type InstanceType, isInstanceType } from './instance-types.ts'
import { PURCHASES } from './purchase.ts'

const instanceType = z
  .string()
  .refine(isInstanceType, { error: `one of ${Object.keys(INSTANCE_TYPES).join(', ')}`, abort: true })
  .meta({ enum: Object.keys(INSTANCE_TYPES) })

/** An availability zone by its name. */
export const zoneSchema = z
  .string()
  .regex(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, 'an availability zone such as us-east-1a')

export const reservationSchema = z.strictObject({
  id: z
    .string()
    .regex(/^cr-[0-9a-f]{8,17}$/, 'the id of a Capacity Reservation or of a Capacity Block, such as cr-…'),
  kind: z.enum(['capacity-reservation', 'capacity-block']).default('capacity-reservation'),
  zone: zoneSchema.describe('Where the reservation is: machines start there alone'),
  priceUsdPerHour: z
    .number()
    .positive()
    .optional()
    .describe(
      "What runs and budgets count for an hour, such as a Capacity Block's price; default: the list price on demand",
    ),
})

const capacityOption = z
  .strictObject({
    instanceType,
    purchase: z
      .enum(PURCHASES)
      .default('on-demand')
      .describe('on-demand; spot; or reserved: machines of a Capacity Reservation or a Capacity Block alone'),
    waitMinutes: z.int().min(10).max(1440).default(60).describe('How long a job may wait for this option'),
    amiId: z
      .string()
      .regex(/^ami-[0-9a-f]{8,17}$/)
      .optional()
      .describe("The team's own machine image; p3 instances need one, AWS has none for Volta any more"),
    amiParameter: z
      .string()
      .regex(
        /^\/?[\w.-]+(\/[\w.-]+)*$/,
        'the name of an SSM parameter, such as /imagebuilder/roslin/search/machine-image',
      )
      .max(1011)
      .optional()
      .describe(
        'In place of amiId: the SSM parameter that holds the image’s id, read at each deployment; that of machineImage is /imagebuilder/roslin/<team>/machine-image',
      ),
    maxPricePercent: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe(
        'spot: machines start only while they cost at most this share of the price on demand; default: 100',
      ),
    reservation: reservationSchema
      .optional()
      .describe(
        'reserved: whose machines. It bills whether they are used or not, and AWS bills it, not a run',
      ),
    scaleDownMinutes: z
      .int()
      .min(20)
      .max(10_080)
      .optional()
      .describe(
        'How long a machine stays after its last job, so that the next starts at once. It is billed: 20 minutes of a p4d.24xlarge on demand are $7.32 after each run; synthesis prints what yours costs. Default: it goes within minutes',
      ),
    scratchGib: z
      .int()
      .min(20)
      .max(16_000)
      .optional()
      .describe(
        'Scratch disk a job needs. Where the instance store has less, the root volume is made as large; default: what the largest model needs that the machine can train',
      ),
    maxNodes: z
      .int()
      .min(1)
      .max(64)
      .optional()
      .describe(
        'Machines that one job may use together: from 2 on they are in one placement group, with EFA where the type has it. Not on Spot; default: 1',
      ),
  })
  .superRefine((option, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    const { instanceType: name, purchase } = option
    const { gpu }: InstanceType = INSTANCE_TYPES[name]
    if (gpu?.architecture === 'volta' && !option.amiId && !option.amiParameter) {
      refuse(
        'amiId',
        `${name} needs a machine image of the team's own, by amiId or amiParameter: AWS has none for Volta any more`,
      )
    }
    if (option.amiId && option.amiParameter) refuse('amiParameter', 'there is an amiId already: give one')
    if (option.maxPricePercent && purchase !== 'spot') {
      refuse('maxPricePercent', `only spot has a market price; this is ${purchase}`)
    }
    if (option.reservation && purchase !== 'reserved') {
      refuse('reservation', `only purchase: reserved uses one; this is ${purchase}`)
    }
    if (!option.reservation && purchase === 'reserved') {
      refuse('reservation', 'purchase: reserved needs the reservation’s id and zone')
    }
    if (isMultiNode(option) && purchase === 'spot') {
      refuse('maxNodes', 'AWS Batch runs no job of several machines on Spot: use on-demand or reserved')
    }
  })

export type CapacityOption = z.output<typeof capacityOption>

/** Whether one job may use several of its machines together. */
export function isMultiNode({ maxNodes = 1 }: Pick<CapacityOption, 'maxNodes'>): boolean {
  return maxNodes > 1
}

export const capacitySchema = z
  .array(capacityOption)
  .min(1)
  // A function's environment, which tells it of them all, has 4 KB.
  .max(8)
  .describe('Where training may run, in order of preference')
  .superRefine((options, context) => {
    for (const [index, { instanceType: type, purchase }] of options.entries()) {
      const first = options.findIndex((other) => other.instanceType === type && other.purchase === purchase)
      if (first === index) continue
      context.addIssue({ code: 'custom', path: [index], message: `${type} ${purchase} is listed twice` })
    }
  })
