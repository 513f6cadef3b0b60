import { z } from 'zod'
import { RoslinError } from './errors.ts'
import { teamScheduleSchema } from './schedule.ts'
import { schemaIssues } from './schema-issues.ts'
import { alarmsSchema, dashboardSchema } from './team-alarms.ts'
import { capacitySchema } from './team-capacity.ts'
import { placementProblems } from './team-checks.ts'
import { fairShareSchema } from './team-fair-share.ts'
import { identitySchema, peopleSchema, secretNameSchema, secretsSchema } from './team-identity.ts'
import { machineImageSchema } from './team-machine-image.ts'
import { networkSchema } from './team-network.ts'
import { encryptionSchema, retentionSchema } from './team-state.ts'
import { trainerImageSchema } from './team-trainer.ts'
import { teamTriggerSchema } from './trigger.ts'

const TEAM_NAME = /^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/

const notifications = z.strictObject({
  emails: z
    .array(z.email())
    .max(20)
    .default([])
    .describe('Told of each run that ends, and of a budget that is nearly spent'),
  webhookSecret: secretNameSchema
    .optional()
    .describe('A secret of Secrets Manager that holds the URL of a webhook, such as one of Slack'),
})

const fields = z.strictObject({
  name: z
    .string()
    .regex(
      TEAM_NAME,
      'a DNS label: a to z, digits, inner hyphens, starting with a letter, at most 20 characters',
    ),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'an AWS region such as us-east-1'),
  capacity: capacitySchema,
  network: networkSchema,
  fairShare: fairShareSchema.optional(),
  machineImage: machineImageSchema.optional(),
  trainerImage: trainerImageSchema,
  maxVcpus: z
    .int()
    .min(2)
    .max(10000)
    .default(192)
    .describe('vCPUs one capacity option may use at once; as many as one job on it needs in any case'),
  budget: z
    .strictObject({
      monthlyUsd: z
        .number()
        .positive()
        .optional()
        .describe(
          'What all runs that start in a month may cost together; a run that could cost more is refused',
        ),
    })
    .prefault({}),
  limits: z
    .strictObject({
      concurrentRuns: z
        .int()
        .min(1)
        .max(10_000)
        .default(50)
        .describe('Runs that may be open at once, queued ones too; one more is refused'),
    })
    .prefault({}),
  notifications: notifications.prefault({}),
  schedules: z.array(teamScheduleSchema).max(100).default([]).describe('Runs that start at set times'),
  triggers: z
    .array(teamTriggerSchema)
    .max(100)
    .default([])
    .describe('Runs that start when data arrive, a model is registered, or another system says so'),
  identity: identitySchema.prefault({}),
  people: peopleSchema.prefault({}),
  secrets: secretsSchema.prefault({}),
  encryption: encryptionSchema,
  retention: retentionSchema.prefault({}),
  alarms: alarmsSchema,
  dashboard: dashboardSchema,
  recipeFolder: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A folder of the project: its recipes are deployed with the API, which lists them; they name nothing on a machine',
    ),
  logRetentionDays: z.literal([1, 7, 30, 90, 365]).default(90),
  tags: z.record(z.string().min(1).max(128), z.string().max(256)).default({}),
})

/** The tenant of one deployment. */
export const teamSchema = fields.superRefine((team, context) => {
  for (const { path, message } of placementProblems(team)) {
    context.addIssue({ code: 'custom', path: [...path], message })
  }
})

export type Team = z.output<typeof teamSchema>

/** @throws RoslinError TEAM_INVALID, naming every field that is wrong. */
export function parseTeam(input: unknown): Team {
  const result = teamSchema.safeParse(input)
  if (result.success) return result.data
  throw new RoslinError(
    'TEAM_INVALID',
    'The team file has fields that cannot be used.',
    'Mend the fields named; docs/reference/team.schema.json lists what is allowed.',
    schemaIssues(result.error, input),
  )
}

/** @throws RoslinError TEAM_INVALID for a name that is not a DNS label. */
export function parseTeamName(name: string): string {
  if (TEAM_NAME.test(name)) return name
  throw new RoslinError(
    'TEAM_INVALID',
    `"${name}" cannot be a team's name: it must be a DNS label (a to z, digits, inner hyphens, starting with a letter, at most 20 characters).`,
    'Give the name of a file in teams/, without .yaml.',
  )
}
