import { z } from 'zod'
import type { StartedBy } from '../../core/started-by.ts'

const signed = z.object({
  event: z.object({
    requestContext: z.object({ authorizer: z.object({ iam: z.object({ userArn: z.string() }) }) }),
  }),
})

/** Who signed the request, as API Gateway's authoriser found. */
export function caller({ env }: { readonly env: unknown }): StartedBy {
  const arn = signed.safeParse(env).data?.event.requestContext.authorizer.iam.userArn
  return { kind: 'person', ...(arn && { arn }) }
}
