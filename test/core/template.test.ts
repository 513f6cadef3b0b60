import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Recipe } from '../../core/recipe.ts'
import { promptText } from '../../core/template.ts'
import { root } from '../support/checked-in.ts'
import { recipe } from '../support/recipes.ts'

const { template } = recipe()

interface Example {
  readonly template: Recipe['template']
  readonly instruction: string
  readonly input?: string
  readonly text: string
}

// test_prompt.py of the trainer runs through the same.
const examples: Example[] = JSON.parse(readFileSync(join(root, 'test/fixtures/prompts.json'), 'utf8'))

describe('the prompt', () => {
  it.each(examples)('is the one that the trainer writes: $text', ({ template, text, ...prompt }) => {
    expect(promptText(template, prompt)).toBe(text)
  })

  it("is Dolly's where the recipe says nothing", () => {
    expect(promptText(template, { instruction: 'Name a sheep.' })).toBe(
      'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n' +
        '### Instruction:\nName a sheep.\n\n### Response:\n',
    )
  })

  it('has the input in its place', () => {
    expect(promptText(template, { instruction: 'Sum up.', input: 'Dolly was a sheep.' })).toContain(
      '### Instruction:\nSum up.\n\nInput:\nDolly was a sheep.\n\n### Response:\n',
    )
  })

  it('leaves alone what looks like a field inside the texts, and what replacement gives a meaning', () => {
    const own = { prompt: 'Q: {instruction} {other}', promptWithInput: '{input}|{instruction}', end: 'END' }
    expect(promptText(own, { instruction: '{input} $& $1' })).toBe('Q: {input} $& $1 {other}')
    expect(promptText(own, { instruction: '{input}', input: '{instruction}' })).toBe('{instruction}|{input}')
  })
})
