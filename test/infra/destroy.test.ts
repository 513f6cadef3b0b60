import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resourcesOf, synthesise } from '../support/stacks.ts'

const { state, controlPlane, outdir } = synthesise()

/** Types of AWS that keep something which somebody would miss. */
const KEEPS_SOMETHING =
  /^AWS::(DynamoDB|S3|ECR|KMS|EFS|FSx|RDS|Redshift|OpenSearchService|ElastiCache|Neptune|DocDB|Kinesis|Backup|SecretsManager|SSM|SQS)::|^AWS::Logs::LogGroup/

describe('cdk destroy of the control plane', () => {
  it('loses logs and dead letters, which their own retention ends, and nothing else', () => {
    const types = resourcesOf(controlPlane)
      .map(([, { Type }]) => Type)
      .filter((type) => KEEPS_SOMETHING.test(type))
    expect([...new Set(types)].sort()).toEqual([
      'AWS::Logs::LogGroup',
      'AWS::SQS::Queue',
      'AWS::SQS::QueuePolicy',
    ])
  })

  it('leaves a state stack that needs nothing of it', () => {
    expect(JSON.stringify(state.toJSON())).not.toContain('Fn::ImportValue')
  })
})

describe('cdk destroy of the state stack', () => {
  it('is refused', () => {
    const { artifacts } = JSON.parse(readFileSync(join(outdir, 'manifest.json'), 'utf8'))
    expect(artifacts['Roslin-speech-State'].properties.terminationProtection).toBe(true)
  })

  it('keeps everything that has data, should somebody take the protection off', () => {
    const lost = resourcesOf(state)
      .filter(([, { DeletionPolicy }]) => DeletionPolicy !== 'Retain')
      .map(([, { Type }]) => Type)
    expect(lost).toEqual(['AWS::KMS::Alias', 'AWS::S3::BucketPolicy'])
  })
})
