import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from 'aws-cdk-lib'
import { AttributeType, Billing, StreamViewType, TableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { BlockPublicAccess, Bucket, BucketEncryption, CfnBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'
import { INDEXES, TABLE_KEYS } from '../../core/store/keys.ts'

/** What must outlive every deployment: the table of runs, and the bucket of data and models. */
export class StateStack extends Stack {
  readonly table: TableV2
  readonly bucket: Bucket

  constructor(scope: Construct, id: string, props: StackProps) {
    super(scope, id, { ...props, terminationProtection: true })
    const text = (name: string) => ({ name, type: AttributeType.STRING })
    this.table = new TableV2(this, 'Table', {
      partitionKey: text(TABLE_KEYS.pk),
      sortKey: text(TABLE_KEYS.sk),
      globalSecondaryIndexes: INDEXES.map(({ index, pk, sk }) => ({
        indexName: index,
        partitionKey: text(pk),
        sortKey: text(sk),
      })),
      timeToLiveAttribute: TABLE_KEYS.expiresAt,
      billing: Billing.onDemand(),
      // What is written is announced: lambdas/events/table-changed.ts.
      dynamoStream: StreamViewType.NEW_AND_OLD_IMAGES,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    })

    this.bucket = new Bucket(this, 'Bucket', {
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      versioned: true,
      lifecycleRules: [
        { noncurrentVersionExpiration: Duration.days(30) },
        { abortIncompleteMultipartUploadAfter: Duration.days(7) },
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    })
    // Of the objects that arrive, lambdas/triggers hears. The bucket's own option would add a function to set it.
    const resource = this.bucket.node.defaultChild
    if (!(resource instanceof CfnBucket)) throw new Error('the bucket is no bucket')
    resource.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } }
    Validations.of(this.bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'Access logs of a bucket written by one team only would cost more than they tell; CloudTrail data events are the account’s choice.',
    })

    new CfnOutput(this, 'BucketName', { value: this.bucket.bucketName })
    new CfnOutput(this, 'TableName', { value: this.table.tableName })
  }
}
