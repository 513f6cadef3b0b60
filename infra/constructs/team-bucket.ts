import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib'
import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  CfnBucket,
  type LifecycleRule,
  ObjectOwnership,
  StorageClass,
} from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'
import type { Retention } from '../../core/team-state.ts'

export interface TeamBucketProps {
  /** Left out, S3's own. */
  readonly key?: IKey | undefined
  readonly retention: Retention
}

/** The team's data, runs and models. */
export class TeamBucket extends Bucket {
  constructor(scope: Construct, id: string, { key, retention }: TeamBucketProps) {
    super(scope, id, {
      ...(key
        ? // One data key for many objects: without it, each read of a shard would be a call of KMS.
          { encryption: BucketEncryption.KMS, encryptionKey: key, bucketKeyEnabled: true }
        : { encryption: BucketEncryption.S3_MANAGED }),
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      versioned: true,
      lifecycleRules: lifecycle(retention),
      removalPolicy: RemovalPolicy.RETAIN,
    })
    if (key) for (const statement of this.#onlyWith(key)) this.addToResourcePolicy(statement)
    // Of the objects that arrive, lambdas/triggers hears. The bucket's own option would add a function to set it.
    const resource = this.node.defaultChild
    if (!(resource instanceof CfnBucket)) throw new Error('the bucket is no bucket')
    resource.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } }
    Validations.of(this).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'Access logs of a bucket written by one team only would cost more than they tell; CloudTrail data events are the account’s choice.',
    })
  }

  /** What says nothing of its encryption gets the key by default; what asks for another is refused. */
  #onlyWith(key: IKey): PolicyStatement[] {
    const header = 's3:x-amz-server-side-encryption'
    const deny = (sid: string, name: string, allowed?: string) =>
      new PolicyStatement({
        sid,
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ['s3:PutObject'],
        resources: [this.arnForObjects('*')],
        // A negated comparison holds where there is nothing to compare, too.
        conditions: { Null: { [name]: 'false' }, ...(allowed && { StringNotEquals: { [name]: allowed } }) },
      })
    return [
      deny('OnlyKms', header, 'aws:kms'),
      deny('OnlyTheTeamsKey', `${header}-aws-kms-key-id`, key.keyArn),
      deny('NoKeyOfTheCaller', `${header}-customer-algorithm`),
    ]
  }
}

function lifecycle({
  oldVersionsDays,
  deletedCheckpointsDays,
  uploadsDays,
  modelsInfrequentAccessDays,
}: Retention): LifecycleRule[] {
  return [
    { noncurrentVersionExpiration: Duration.days(oldVersionsDays), expiredObjectDeleteMarker: true },
    { abortIncompleteMultipartUploadAfter: Duration.days(7) },
    // Of rules that overlap, S3 follows the one that expires earlier.
    { prefix: 'runs/', noncurrentVersionExpiration: Duration.days(deletedCheckpointsDays) },
    ...(uploadsDays ? [{ prefix: 'uploads/', expiration: Duration.days(uploadsDays) }] : []),
    ...(modelsInfrequentAccessDays
      ? [
          {
            prefix: 'models/',
            transitions: [
              {
                storageClass: StorageClass.INFREQUENT_ACCESS,
                transitionAfter: Duration.days(modelsInfrequentAccessDays),
              },
            ],
          },
        ]
      : []),
  ]
}
