import { contentKey, type Plan } from './plan.ts'

/** The parts of a run that make its result another. */
const PARTS = ['data', 'base model', 'recipe', 'code'] as const

/** What a plan was made from: equal fingerprints, equal training. */
export function fingerprint({ dataset, baseModel, recipe, code }: Plan): string {
  // By content, not by name: a folder that was written anew has another mirror.
  return contentKey([
    dataset.sha256,
    baseModel.mirrorUri,
    JSON.stringify(recipe),
    code.version,
    code.trainerImage,
  ])
}

/** Whether the plan would do again what the other has done. */
export function isUnchanged(plan: Plan, lastSuccess: Plan | undefined): boolean {
  return lastSuccess !== undefined && fingerprint(plan) === fingerprint(lastSuccess)
}

export const UNCHANGED = `Nothing has changed since the last success: ${PARTS.join(', ')}.`
