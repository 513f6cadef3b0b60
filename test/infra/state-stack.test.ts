import { Match } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { INDEXES, TABLE_KEYS } from '../../core/store/keys.ts'
import { onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'

const { state } = synthesise()

describe('the state stack', () => {
  it('has a table and a bucket that a renamed construct would lose: their ids never change', () => {
    const ids = resourcesOf(state).map(([id, { Type }]) => `${id} ${Type}`)
    expect(ids).toEqual([
      'TableCD117FA1 AWS::DynamoDB::GlobalTable',
      'Bucket83908E77 AWS::S3::Bucket',
      'BucketPolicyE9A3008A AWS::S3::BucketPolicy',
    ])
  })

  it.each(['AWS::DynamoDB::GlobalTable', 'AWS::S3::Bucket'])(
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

  it('has a bucket that is private, encrypted and versioned', () => {
    state.hasResourceProperties('AWS::S3::Bucket', {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      VersioningConfiguration: { Status: 'Enabled' },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    })
  })

  it('gives up what an interrupted upload left, and old versions', () => {
    const { LifecycleConfiguration } = onlyResource(state, 'AWS::S3::Bucket').Properties
    expect(LifecycleConfiguration.Rules).toEqual([
      { NoncurrentVersionExpiration: { NoncurrentDays: 30 }, Status: 'Enabled' },
      { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 }, Status: 'Enabled' },
    ])
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
