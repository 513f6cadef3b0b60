import { z } from 'zod'
import { zoneSchema } from './team-capacity.ts'

const zones = z
  .union([z.int().min(1).max(6), z.array(zoneSchema).min(1).max(6)])
  .default(2)
  .describe(
    'Availability zones to have subnets in: how many, or which. More zones find more GPUs; a reservation’s zone must be named here',
  )

const flowLogs = z
  .boolean()
  .default(false)
  .describe('Log accepted and refused connections to CloudWatch; charged by the gigabyte')

const publicNetwork = z.strictObject({
  kind: z.literal('public').describe('Public subnets that nothing gets into; costs nothing at rest'),
  zones,
  flowLogs,
})

const privateNetwork = z.strictObject({
  kind: z
    .literal('private')
    .describe('Machines without public addresses; what the way out costs is printed at synthesis'),
  egress: z
    .enum(['nat', 'endpoints'])
    .default('nat')
    .describe(
      'nat: one NAT gateway, through which everything can be reached. endpoints: the AWS services that a run needs and nothing else; not the Hugging Face Hub, so base models come from S3, and not images outside of ECR',
    ),
  zones,
  flowLogs,
})

const existingNetwork = z.strictObject({
  kind: z
    .literal('existing')
    .describe('A VPC that is there; its subnets must reach S3, ECR, ECS, CloudWatch Logs and EC2'),
  vpcId: z.string().regex(/^vpc-[0-9a-f]{8,17}$/, 'the id of a VPC, such as vpc-0123456789abcdef0'),
  subnets: z
    .array(
      z.strictObject({
        id: z
          .string()
          .regex(/^subnet-[0-9a-f]{8,17}$/, 'the id of a subnet, such as subnet-0123456789abcdef0'),
        zone: zoneSchema,
      }),
    )
    .min(1)
    .max(16)
    .describe('Where machines start: the ids and zones of subnets'),
  securityGroupIds: z
    .array(
      z.string().regex(/^sg-[0-9a-f]{8,17}$/, 'the id of a security group, such as sg-0123456789abcdef0'),
    )
    .max(5)
    .default([])
    .describe('Groups that machines are in; without any, one is made that lets nothing in'),
})

export const networkSchema = z
  .discriminatedUnion('kind', [publicNetwork, privateNetwork, existingNetwork])
  .prefault({ kind: 'public' })
  .describe('Where machines start, and what they can reach')

export type TeamNetwork = z.output<typeof networkSchema>

/** The zones that the file names; undefined where it only says how many. */
export function namedZones(network: TeamNetwork): readonly string[] | undefined {
  if (network.kind === 'existing') return network.subnets.map(({ zone }) => zone)
  return Array.isArray(network.zones) ? network.zones : undefined
}
