import { RemovalPolicy, Stack } from 'aws-cdk-lib'
import { AccountRootPrincipal, PolicyDocument, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Key } from 'aws-cdk-lib/aws-kms'
import type { Construct } from 'constructs'

/** The services that may use the key, for whoever IAM lets use it: nobody decrypts with it directly. */
const THROUGH = ['s3', 'dynamodb']

/** The team's own key. Losing it is losing the data: it is retained, and turns once a year. */
export class TeamKey extends Key {
  constructor(scope: Construct, id: string, team: string) {
    const stack = Stack.of(scope)
    super(scope, id, {
      description: `Roslin, team ${team}: the table and the bucket`,
      alias: stack.stackName,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
      policy: new PolicyDocument({
        statements: [administration(), use(stack)],
      }),
    })
  }
}

/** By those whom IAM lets administrate keys. No Create*: who may make grants may give away the use. */
function administration(): PolicyStatement {
  return new PolicyStatement({
    sid: 'Administration',
    principals: [new AccountRootPrincipal()],
    actions: [
      'kms:Describe*',
      'kms:Get*',
      'kms:List*',
      'kms:Enable*',
      'kms:Disable*',
      'kms:Put*',
      'kms:Update*',
      'kms:TagResource',
      'kms:UntagResource',
      'kms:CreateAlias',
      'kms:DeleteAlias',
      'kms:RevokeGrant',
      'kms:RotateKeyOnDemand',
      'kms:ScheduleKeyDeletion',
      'kms:CancelKeyDeletion',
    ],
    resources: ['*'],
  })
}

function use(stack: Stack): PolicyStatement {
  return new PolicyStatement({
    sid: 'UseThroughServices',
    principals: [new AccountRootPrincipal()],
    // DynamoDB keeps a grant for the table's own work.
    actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:CreateGrant'],
    resources: ['*'],
    conditions: {
      StringEquals: {
        'kms:CallerAccount': stack.account,
        'kms:ViaService': THROUGH.map((service) => `${service}.${stack.region}.amazonaws.com`),
      },
    },
  })
}
