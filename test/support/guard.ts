import { join } from 'node:path'
import { z } from 'zod'
import { root } from './checked-in.ts'
import { execute } from './spawned.ts'

const guardPackage = join(root, 'node_modules/@cdklabs/cdk-validator-cfnguard')
const binary = join(
  guardPackage,
  'bin',
  process.platform === 'darwin' ? 'macos' : 'ubuntu',
  process.arch === 'arm64' ? 'aarch64' : 'x86_64',
  'cfn-guard',
)

/** Of AWS Control Tower's proactive controls those for the services that a team's templates use. */
const SERVICES = [
  'apigateway',
  'cloudwatch',
  'dynamodb',
  'ec2',
  'ecr',
  'identityandaccessmanagement',
  'keymanagementservice',
  'lambda',
  's3',
  'sqs',
  'stepfunctions',
]

const reports = z.array(
  z.object({
    name: z.string(),
    not_compliant: z.array(z.object({ Rule: z.looseObject({ name: z.string() }) })),
    compliant: z.array(z.string()),
  }),
)

/** What cfn-guard finds in the templates, one line a rule and type of resource: `rule AWS::S3::Bucket`. */
export async function guardFindings(templates: readonly string[], typeOf: (logicalId: string) => string) {
  const rules = SERVICES.flatMap((service) => [
    '--rules',
    join(guardPackage, 'rules/control-tower/cfn-guard', service),
  ])
  const data = templates.flatMap((file) => ['--data', file])
  const form = ['--output-format', 'json', '--show-summary', 'none', '--structured']
  const { stdout, stderr } = await execute(binary, ['validate', ...rules, ...data, ...form])
  const found = reports.safeParse(stdout ? JSON.parse(stdout) : undefined)
  if (!found.success) throw new Error(`cfn-guard gave no report: ${stderr || stdout.slice(0, 500)}`)
  const findings = found.data.flatMap(({ not_compliant }) =>
    not_compliant.flatMap(({ Rule }) => {
      // What a check looked at has a shape of its own in each rule; the resources' paths are in all.
      const ids = [...JSON.stringify(Rule).matchAll(/"\/Resources\/(\w+)/g)].map(([, id = '']) => id)
      return [...new Set(ids.map((id) => `${Rule.name} ${typeOf(id)}`))]
    }),
  )
  return { findings: [...new Set(findings)].sort(), passed: found.data.flatMap(({ compliant }) => compliant) }
}
