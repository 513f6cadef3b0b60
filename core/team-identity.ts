import { z } from 'zod'

/** As the secret is called in Secrets Manager. */
export const secretNameSchema = z.string().regex(/^[\w/+=.@-]{1,512}$/, 'the name of a secret')

export const secretsSchema = z.strictObject({
  huggingFaceToken: secretNameSchema
    .optional()
    .describe(
      'A secret of Secrets Manager that holds a token of the Hugging Face Hub, for models that ask for one (hf://). Only Prepare is given it',
    ),
})

export type Secrets = z.output<typeof secretsSchema>

export const identitySchema = z.strictObject({
  permissionsBoundaryArn: z
    .string()
    .regex(/^arn:aws[\w-]*:iam::(\d{12}|aws):policy\/[\w+=,.@/-]+$/, 'the ARN of a managed policy')
    .optional()
    .describe('A managed policy that limits every role of the team, where the account asks for one'),
  rolePath: z
    .string()
    .regex(/^\/([\w+=,.@-]+\/)+$/, 'a path such as /roslin/')
    .max(512)
    .optional()
    .describe('The path of every role of the team. Another path makes the roles anew'),
})

export type Identity = z.output<typeof identitySchema>

const principalArn = z
  .string()
  .regex(/^arn:aws[\w-]*:iam::\d{12}:(user|role)\/[\w+=,.@/-]+$/, 'the ARN of an IAM user or role')

const principals = z.array(principalArn).max(50).default([])

export const peopleSchema = z.strictObject({
  operators: principals.describe('Users and roles that may do all that the API offers'),
  viewers: principals.describe(
    'Users and roles that may look at runs, models, data sets and logs, and change nothing',
  ),
  sessionHours: z
    .int()
    .min(1)
    .max(12)
    .default(4)
    .describe('How long they may be that before they are asked again'),
  requireMfa: z
    .boolean()
    .default(false)
    .describe(
      'Only with a second factor; roles of IAM Identity Center say nothing of theirs and are refused',
    ),
})

export type People = z.output<typeof peopleSchema>
