import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { AttributeType, Billing, StreamViewType, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb'
import { Repository, TagMutability, TagStatus } from 'aws-cdk-lib/aws-ecr'
import type { Construct } from 'constructs'
import { INDEXES, TABLE_KEYS } from '../../core/store/keys.ts'
import type { Team } from '../../core/team.ts'
import { TeamBucket } from '../constructs/team-bucket.ts'
import { TeamKey } from '../constructs/team-key.ts'

export interface StateStackProps extends StackProps {
  readonly team: Team
}

/** What must outlive every deployment: the table of runs, the bucket of data and models, the images, and the key to them. */
export class StateStack extends Stack {
  readonly table: TableV2
  readonly bucket: TeamBucket
  readonly images: Repository

  constructor(scope: Construct, id: string, { team, ...props }: StateStackProps) {
    super(scope, id, { ...props, terminationProtection: true })
    const key = team.encryption === 'team-key' ? new TeamKey(this, 'Key', team.name) : undefined
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
      ...(key && { encryption: TableEncryptionV2.customerManagedKey(key) }),
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    })
    this.bucket = new TeamBucket(this, 'Bucket', { key, retention: team.retention })
    // Images that the team pushes itself (trainerImage). Under ECR's own key: another would replace the repository, and runs
    // name their image by it.
    this.images = new Repository(this, 'Images', {
      imageScanOnPush: true,
      imageTagMutability: TagMutability.IMMUTABLE,
      lifecycleRules: [
        { description: 'No tag', tagStatus: TagStatus.UNTAGGED, maxImageAge: Duration.days(90) },
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    })

    new CfnOutput(this, 'BucketName', { value: this.bucket.bucketName })
    new CfnOutput(this, 'TableName', { value: this.table.tableName })
    new CfnOutput(this, 'ImagesUri', { value: this.images.repositoryUri })
  }
}
