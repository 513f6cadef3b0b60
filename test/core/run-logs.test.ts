import { describe, expect, it } from 'vitest'
import { lineText } from '../../core/run-logs.ts'

describe('a line of a job', () => {
  it('is shown as the sentence that its trainer said', () => {
    const line = { runId: 'RUN', step: 'train', attempt: 0, jobId: 'job', message: 'epoch 1.00/3\nstep 9/27' }
    expect(lineText(JSON.stringify(line))).toBe('epoch 1.00/3\nstep 9/27')
  })

  it.each([
    'train: done',
    '',
    '{not JSON}',
    '{"message": "of a trainer of one’s own"}',
    '{"runId": "RUN"}',
    '[]',
  ])('that is none of ours is shown as it is: %s', (line) => {
    expect(lineText(line)).toBe(line)
  })
})
