import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { type Check, looked, type Verdict } from './check.ts'

/** The oldest bootstrap that the CDK's stacks accept. Source: the rule CheckBootstrapVersion of every template. */
const LEAST_BOOTSTRAP_VERSION = 6
/** AWS refuses a signature that is more than five minutes off; this early it is told. */
const MOST_SKEW_SECONDS = 60

/** Who the caller is to AWS, and whether the account is ready for a deployment to this region. */
export async function accountChecks(region: string | undefined): Promise<Check[]> {
  const where = region === undefined ? {} : { region }
  const dates: string[] = []
  const sts = new STSClient({ ...where, maxAttempts: 2 })
  // The service's own word on the time, of the answer that is asked for anyway: the parser of answers comes after it.
  sts.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { headers } = result.response as { headers?: Record<string, string> }
      if (headers?.date) dates.push(headers.date)
      return result
    },
    { step: 'deserialize', name: 'date', priority: 'low' },
  )
  return [
    await credentials(sts),
    await looked('clock', async () => skewVerdict(dates[0], new Date())),
    await looked('CDK bootstrap', () => bootstrap(new CloudFormationClient({ ...where, maxAttempts: 2 }))),
  ]
}

async function credentials(sts: STSClient): Promise<Check> {
  const check = 'credentials'
  try {
    const { Account, Arn } = await sts.send(new GetCallerIdentityCommand({}))
    return { check, ok: true, detail: `account ${Account}, ${Arn}` }
  } catch (error) {
    return {
      check,
      ok: false,
      detail: (error as Error).message,
      fix: 'Name a profile (--profile, AWS_PROFILE); for one of SSO sign in first: aws sso login --profile <name>.',
    }
  }
}

/** @param date of an answer's header */
export function skewVerdict(date: string | undefined, now: Date): Verdict {
  if (date === undefined) return { ok: null, detail: 'AWS gave no answer to compare it with' }
  const seconds = Math.round((now.getTime() - Date.parse(date)) / 1000)
  const detail = `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} AWS`
  if (Math.abs(seconds) <= MOST_SKEW_SECONDS) return { ok: true, detail }
  return {
    ok: false,
    detail,
    fix: 'Set this machine’s clock (timedatectl set-ntp true): beyond five minutes AWS refuses what it signs.',
  }
}

async function bootstrap(cloudFormation: CloudFormationClient): Promise<Verdict> {
  const stack = await cloudFormation
    .send(new DescribeStacksCommand({ StackName: 'CDKToolkit' }))
    .catch((error: Error) => {
      if (error.message.includes('does not exist')) return undefined
      throw error
    })
  const outputs = stack?.Stacks?.[0]?.Outputs ?? []
  const version = outputs.find(({ OutputKey }) => OutputKey === 'BootstrapVersion')?.OutputValue
  return bootstrapVerdict(version === undefined ? undefined : Number(version))
}

/** @param version undefined where the region has none */
export function bootstrapVerdict(version: number | undefined): Verdict {
  const fix = 'From an empty folder: npx cdk bootstrap aws://<account>/<region>'
  if (version === undefined) return { ok: false, detail: 'the region has no stack CDKToolkit', fix }
  const detail = `version ${version}, at least ${LEAST_BOOTSTRAP_VERSION} is needed`
  return version >= LEAST_BOOTSTRAP_VERSION ? { ok: true, detail } : { ok: false, detail, fix }
}
