import type { RunDetail } from '../../core/run-view.ts'

/** Of a recipe: training on the processors of two machines. */
export const twoNodes = { resources: { gpus: 0, nodes: 2 } }

/** Of each training job: the exit codes of its nodes. */
export function nodeCodes({ attempts }: RunDetail) {
  return attempts
    .filter(({ step }) => step === 'train')
    .map(({ executions }) => executions.map(({ node, exitCode }) => [node, exitCode]))
}
