import { AwsSolutionsChecks } from 'cdk-nag'
import type { IConstruct } from 'constructs'

/** Every wildcard our policies may hold, and why. cdk-nag's finding must match one of these, or synthesis fails. */
const REASONS: readonly (readonly [finding: RegExp, reason: string])[] = [
  [
    /^Action::s3:(Abort|GetBucket|GetObject|List)\*$/,
    "The variants of one right, as the CDK's bucket grants name them.",
  ],
  [/^Action::kms:(ReEncrypt|GenerateDataKey)\*$/, "The variants of one right, on the team's own key alone."],
  [
    /^Resource::.*Bucket\w+Arn\w*\/[\w/-]*\*(\/error\.json|\/(stops|machines)\/\*\.json|\/plan\*\.json)?$/,
    "Objects of the team's own bucket; their names are made at run time.",
  ],
  [
    /^Resource::.*Bucket\w+\.Arn>\/[\w/-]*\*$/,
    "Objects of the team's own bucket; their names are made at run time.",
  ],
  [/^Resource::.*Table\w+Arn\w*\/index\/\*$/, "The indexes of the team's own table."],
  [/^Resource::<\w+\.Arn>:\*$/, "The versions of one function of the team's own."],
  [
    /^Resource::arn:<AWS::Partition>:batch:.*:job-definition\/.*:\*$/,
    'A plan holds a revision; a deployment may have made later ones.',
  ],
  [/^Resource::arn:<AWS::Partition>:batch:[^/]*:job\/\*$/, "Batch makes a job's id when it is submitted."],
  [
    /^Resource::arn:<AWS::Partition>:states:.*:execution:.*:\*$/,
    "The team's flow's executions, named by their runs.",
  ],
  [/^Resource::arn:<AWS::Partition>:servicequotas:[^/]*:ec2\/L-\*$/, 'The quotas of EC2, by their codes.'],
  [
    /^Resource::arn:<AWS::Partition>:scheduler:[^/]*:schedule\/[^/]*\/\*$/,
    "The schedules in the team's own group: those of the API, and the ends of triggers' windows.",
  ],
  [
    /^Resource::arn:<AWS::Partition>:execute-api:[^/]*<ApiHttpApi\w+>\/\*\/(\*|GET)\/\*$/,
    "The routes of the team's own API, for people.",
  ],
  [
    /^Resource::arn:<AWS::Partition>:cloudformation:[^/]*:stack\/Roslin-[\w-]+-ControlPlane\/\*$/,
    "CloudFormation makes a stack's id; the name is the team's.",
  ],
  // test/infra/policies.test.ts lists the actions this may stand beside.
  [
    /^Resource::\*$/,
    'Actions that know no resources: X-Ray, log delivery, batch:DescribeJobs and ListJobs, ec2:DescribeSpotPriceHistory, dynamodb:ListStreams, ecr:GetAuthorizationToken, scheduler:ListSchedules.',
  ],
]

/**
 * The AWS Solutions rules, with our wildcards explained. They can't be acknowledged one by one where they are made:
 * cdk-nag wants each finding's full text, and that has names which only synthesis gives.
 */
export class NagChecks extends AwsSolutionsChecks {
  override validateScope(scope: IConstruct): ReturnType<AwsSolutionsChecks['validateScope']> {
    const violations = super.validateScope(scope).violations.filter(({ ruleName }) => !isExplained(ruleName))
    return { success: violations.length === 0, violations }
  }
}

function isExplained(ruleName: string): boolean {
  const finding = /^AwsSolutions-IAM5\[(.*)\]$/.exec(ruleName)?.[1]
  return finding !== undefined && REASONS.some(([pattern]) => pattern.test(finding))
}
