import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { z } from 'zod'
import { variable } from '../environment.ts'
import { logger } from '../logger.ts'

const runEvent = z.object({ 'detail-type': z.string(), detail: z.looseObject({ summary: z.string() }) })
const secretUrl = z.url({ protocol: /^https$/ })

const secrets = new SecretsManagerClient({})
const TIMEOUT_MILLISECONDS = 10_000

/** Posts an event to the team's webhook. Slack shows `text`; other receivers find the whole event beside it. */
export async function handler(event: unknown): Promise<void> {
  const { detail, 'detail-type': detailType } = runEvent.parse(event)
  const response = await fetch(await webhookUrl(), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: detail.summary, detailType, detail }),
    signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
    redirect: 'error',
  })
  logger.info('webhook posted', { status: response.status })
  // Lambda tries again, and puts what fails for good into the dead-letter queue. The URL is a secret: it is not logged.
  if (!response.ok) throw new Error(`the webhook answered ${response.status}`)
}

/** Read each time: a URL that was replaced is used at once. */
async function webhookUrl(): Promise<string> {
  const { SecretString } = await secrets.send(
    new GetSecretValueCommand({ SecretId: variable('WEBHOOK_SECRET_NAME') }),
  )
  const url = secretUrl.safeParse(SecretString?.trim())
  if (!url.success) throw new Error('the secret of the webhook holds no https:// URL')
  return url.data
}
