import type { DeployedCapacity } from '../../core/capacity.ts'
import type { InstanceTypeName } from '../../core/instance-types.ts'
import type { Deployment, PinnedInputs } from '../../core/plan.ts'
import { parseRecipe, type Recipe } from '../../core/recipe.ts'

/** A recipe with nothing in it but what must be; the overrides replace whole sections. */
export function minimalRecipe(overrides: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    name: 'parrot',
    baseModel: { source: 'hf://EleutherAI/gpt-j-6b', licence: 'Apache-2.0' },
    dataset: { source: 's3://team-bucket/data/rows.json', licence: 'CC-BY-4.0' },
    ...overrides,
  }
}

export function recipe(overrides: Readonly<Record<string, unknown>> = {}): Recipe {
  return parseRecipe(minimalRecipe(overrides))
}

export function capacityOption(
  instanceType: InstanceTypeName,
  overrides: Partial<DeployedCapacity> = {},
): DeployedCapacity {
  return {
    instanceType,
    purchase: 'on-demand',
    waitMinutes: 60,
    maxNodes: 1,
    jobQueueArn: `arn:aws:batch:us-east-1:123456789012:job-queue/${instanceType.replace('.', '-')}`,
    ...overrides,
  }
}

const arn = (step: string) => `arn:aws:batch:us-east-1:123456789012:job-definition/${step}:7`

export function deployment(overrides: Partial<Deployment> = {}): Deployment {
  return {
    team: 'example',
    region: 'us-east-1',
    bucket: 'team-bucket',
    cpuJobQueueArn: 'arn:aws:batch:us-east-1:123456789012:job-queue/cpu',
    jobDefinitionArns: { prepare: arn('prepare'), train: arn('train'), evaluate: arn('evaluate') },
    capacity: [capacityOption('p4d.24xlarge')],
    codeVersion: '0.1.0+abc',
    trainerImage: 'trainer:1',
    ...overrides,
  }
}

export const pinned: PinnedInputs = {
  model: {
    parameters: 6_050_882_784,
    contextTokens: 2048,
    revision: 'f'.repeat(40),
    contentKey: 'model-key',
  },
  dataset: { sha256: 'a'.repeat(64), rows: 100 },
}
