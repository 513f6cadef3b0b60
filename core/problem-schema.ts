import { z } from 'zod'
import { ERROR_STATUS, type ErrorCode, type Problem } from './errors.ts'

/** Problem details (RFC 9457), with our code and each place of the input that is wrong. */
export const problemSchema = z
  .object({
    type: z.string().describe("The code's explanation, in the documentation"),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(ERROR_STATUS) as ErrorCode[]),
    detail: z.string(),
    nextStep: z.string(),
    issues: z.array(z.object({ path: z.string(), message: z.string() })).readonly(),
  })
  .meta({ id: 'Problem' }) satisfies z.ZodType<Problem>
