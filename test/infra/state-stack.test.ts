import { Match } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { INDEXES, TABLE_KEYS } from '../../core/store/keys.ts'
import { everyCapacity, onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'

const { state } = synthesise()
const { state: withoutKey } = synthesise({ ...everyCapacity, encryption: 'aws-managed' })

describe('the state stack', () => {
  it('has nothing that a renamed construct would lose: ids never change', () => {
    const ids = resourcesOf(state).map(([id, { Type }]) => `${id} ${Type}`)
    expect(ids).toEqual([
      'Key961B73FD AWS::KMS::Key',
      'KeyAlias910D852D AWS::KMS::Alias',
      'TableCD117FA1 AWS::DynamoDB::GlobalTable',
      'Bucket83908E77 AWS::S3::Bucket',
      'BucketPolicyE9A3008A AWS::S3::BucketPolicy',
      'Images2D38C313 AWS::ECR::Repository',
    ])
  })

  it.each(['AWS::DynamoDB::GlobalTable', 'AWS::S3::Bucket', 'AWS::KMS::Key', 'AWS::ECR::Repository'])(
    'keeps its %s when the stack is deleted',
    (type) => {
      expect(onlyResource(state, type)).toMatchObject({
        DeletionPolicy: 'Retain',
        UpdateReplacePolicy: 'Retain',
      })
    },
  )

  it('has a table that is paid by the request, can go back in time, and refuses to be deleted', () => {
    state.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      BillingMode: 'PAY_PER_REQUEST',
      Replicas: [
        Match.objectLike({
          DeletionProtectionEnabled: true,
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        }),
      ],
    })
  })

  it("has the keys that the store's entities are written with", () => {
    const { pk, sk, expiresAt } = TABLE_KEYS
    const keys = (hash: string, range: string) => [
      { AttributeName: hash, KeyType: 'HASH' },
      { AttributeName: range, KeyType: 'RANGE' },
    ]
    state.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      KeySchema: keys(pk, sk),
      GlobalSecondaryIndexes: INDEXES.map((one) =>
        Match.objectLike({ IndexName: one.index, KeySchema: keys(one.pk, one.sk) }),
      ),
      TimeToLiveSpecification: { AttributeName: expiresAt, Enabled: true },
    })
  })

  it('has a bucket that is private and versioned', () => {
    state.hasResourceProperties('AWS::S3::Bucket', {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      VersioningConfiguration: { Status: 'Enabled' },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    })
  })

  it('gives up what an interrupted upload left, and old versions', () => {
    const { LifecycleConfiguration } = onlyResource(state, 'AWS::S3::Bucket').Properties
    expect(LifecycleConfiguration.Rules).toEqual([
      {
        NoncurrentVersionExpiration: { NoncurrentDays: 30 },
        ExpiredObjectDeleteMarker: true,
        Status: 'Enabled',
      },
      { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 }, Status: 'Enabled' },
      { Prefix: 'runs/', NoncurrentVersionExpiration: { NoncurrentDays: 3 }, Status: 'Enabled' },
    ])
  })

  it('removes uploads and moves models where the team says so', () => {
    const retention = { uploadsDays: 365, modelsInfrequentAccessDays: 90 }
    const { state: template } = synthesise({ ...everyCapacity, retention })
    expect(
      onlyResource(template, 'AWS::S3::Bucket').Properties.LifecycleConfiguration.Rules.slice(3),
    ).toEqual([
      { Prefix: 'uploads/', ExpirationInDays: 365, Status: 'Enabled' },
      {
        Prefix: 'models/',
        Transitions: [{ StorageClass: 'STANDARD_IA', TransitionInDays: 90 }],
        Status: 'Enabled',
      },
    ])
  })

  it('has a registry whose tags never move, which looks for known flaws', () => {
    state.hasResourceProperties('AWS::ECR::Repository', {
      ImageTagMutability: 'IMMUTABLE',
      ImageScanningConfiguration: { ScanOnPush: true },
    })
    // Another kind of encryption would replace it.
    expect(onlyResource(state, 'AWS::ECR::Repository').Properties).not.toHaveProperty(
      'EncryptionConfiguration',
    )
  })

  it('has a bucket that answers over TLS only', () => {
    state.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 's3:*',
            Principal: { AWS: '*' },
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      },
    })
  })
})

describe("the team's key", () => {
  const key = { 'Fn::GetAtt': ['Key961B73FD', 'Arn'] }

  it('turns once a year', () => {
    state.hasResourceProperties('AWS::KMS::Key', { EnableKeyRotation: true })
  })

  it('encrypts the table, and the bucket with one data key for many objects', () => {
    state.hasResourceProperties('AWS::DynamoDB::GlobalTable', {
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
      Replicas: [Match.objectLike({ SSESpecification: { KMSMasterKeyId: key } })],
    })
    state.hasResourceProperties('AWS::S3::Bucket', {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          {
            BucketKeyEnabled: true,
            ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: key },
          },
        ],
      },
    })
  })

  it('is left out where the team wants none: no other id changes, so that nothing is replaced', () => {
    const ids = (template: typeof state) =>
      resourcesOf(template)
        .map(([id]) => id)
        .filter((id) => !id.startsWith('Key'))
    expect(ids(withoutKey)).toEqual(ids(state))
    withoutKey.resourceCountIs('AWS::KMS::Key', 0)
    withoutKey.hasResourceProperties('AWS::S3::Bucket', {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
    })
  })
})
