import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPromptLengths } from '../../core/prompt-length.ts'
import { promptText } from '../../core/template.ts'
import { recipe } from '../support/recipes.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

const CONTEXT = 2048
const words = (count: number) => Array(count).fill('baa').join(' ')
const asking = (...instructions: string[]) =>
  recipe({ evaluation: { prompts: instructions.map((instruction) => ({ instruction })), maxNewTokens: 100 } })

describe('the length of prompts', () => {
  it('is fine where prompt, template and answer fit the context', () => {
    expect(() => checkPromptLengths(asking('Short?', words(1900)), CONTEXT)).not.toThrow()
  })

  it('is refused where more words are asked than fit, naming the prompt and both numbers', () => {
    const error = thrownBy(() => checkPromptLengths(asking('Short?', words(2000), words(3000)), CONTEXT))
    expect(pathsOf(error, 'PROMPT_TOO_LONG')).toEqual(['evaluation.prompts.1', 'evaluation.prompts.2'])
    expect(error.issues[0]?.message).toBe(
      "needs at least 2120 tokens with its answer; the model's context is 2048",
    )
  })

  it('counts the input with the instruction, and one endless word too', () => {
    const prompts = [{ instruction: 'Sum up.', input: words(2000) }, { instruction: 'x'.repeat(300_000) }]
    const error = thrownBy(() => checkPromptLengths(recipe({ evaluation: { prompts } }), CONTEXT))
    expect(pathsOf(error, 'PROMPT_TOO_LONG')).toEqual(['evaluation.prompts.0', 'evaluation.prompts.1'])
  })

  it('is exact where the tokenizer is known', () => {
    const bytes = (text: string) => text.length
    const template = promptText(asking('x').template, { instruction: '' }).length
    const longest = 'x'.repeat(CONTEXT - 100 - template)
    expect(() => checkPromptLengths(asking(longest), CONTEXT, bytes)).not.toThrow()
    const error = thrownBy(() => checkPromptLengths(asking(`${longest}x`), CONTEXT, bytes))
    expect(error.issues[0]?.message).toBe("needs 2049 tokens with its answer; the model's context is 2048")
  })

  it('is refused where rows are to be longer than the context', () => {
    const error = thrownBy(() => checkPromptLengths(recipe({ training: { maxTokens: 4096 } }), CONTEXT))
    expect(pathsOf(error, 'PROMPT_TOO_LONG')).toEqual(['training.maxTokens'])
  })

  it('never refuses a prompt whose characters alone would fit: a token has at least one', () => {
    const fitting = fc.string({ minLength: 1, maxLength: CONTEXT - 100 - 40 - 1, unit: 'binary' })
    fc.assert(
      fc.property(
        fitting.filter((text) => text.trim() !== ''),
        (instruction) => {
          expect(() => checkPromptLengths(asking(instruction), CONTEXT)).not.toThrow()
        },
      ),
    )
  })
})
