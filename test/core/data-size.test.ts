import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { heldOutRows, knownSize, resolvedSize, sizeOfRows } from '../../core/data-size.ts'
import { checkedRows } from '../../core/dataset.ts'
import { rowText } from '../../core/row-text.ts'
import { checkedInRecipe, root } from '../support/checked-in.ts'
import { recipe } from '../support/recipes.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

const dolly = checkedInRecipe('dolly-v1')
const unknown = recipe()

describe('how much data there is', () => {
  it.each<[string, number, number]>([
    ['dolly-v1', 52_002, 131],
    ['dolly-v2-12b', 15_011, 215],
    ['stablelm', 15_011, 215],
  ])('is known by name for recipes/%s.yaml, dated', (name, rows, tokensPerRow) => {
    expect(knownSize(checkedInRecipe(name))).toMatchObject({
      rows,
      tokensPerRow,
      because: expect.stringMatching(/\d{4}-\d\d-\d\d/),
    })
  })

  it('is an error with what to give, where nobody knows', () => {
    const error = thrownBy(() => resolvedSize(unknown, {}, undefined))
    expect(pathsOf(error, 'NO_BASIS')).toEqual(['rows', 'tokensPerRow'])
    expect(error.nextStep).toContain('--rows and --tokens-per-row')
    const half = thrownBy(() => resolvedSize(unknown, { rows: 10 }, undefined))
    expect(pathsOf(half, 'NO_BASIS')).toEqual(['tokensPerRow'])
  })

  it('is what is given before what is known, and says which is which', () => {
    const size = resolvedSize(dolly, { rows: 1000 }, knownSize(dolly))
    expect(size).toMatchObject({ rows: 1000, tokensPerRow: 131 })
    expect(size.because).toMatch(/^As given: 1,000 rows\. Stanford Alpaca/)
    // The published split is of the whole file.
    expect(heldOutRows(dolly, size)).toBe(20)
    const given = resolvedSize(unknown, { rows: 5, tokensPerRow: 7.5 }, knownSize(dolly))
    expect(given.because).toBe('As given: 5 rows, 7.5 tokens a row.')
  })

  it('has no rows longer than they are cut to', () => {
    expect(resolvedSize(unknown, { rows: 5, tokensPerRow: 5000 }, undefined).tokensPerRow).toBe(1024)
  })

  it('holds out as the trainer does: the rounded share, at least one row, never all', () => {
    const held = (rows: number, heldOutFraction: number) =>
      heldOutRows(
        recipe({ dataset: { source: 's3://team-bucket/r.json', licence: 'MIT', heldOutFraction } }),
        {
          rows,
          tokensPerRow: 1,
          because: '',
        },
      )
    expect([held(240, 0.05), held(10, 0.02), held(1, 0.02), held(100, 0), held(2, 0.5)]).toEqual([
      12, 1, 0, 0, 1,
    ])
    const size = resolvedSize(dolly, {}, knownSize(dolly))
    expect(heldOutRows(dolly, size)).toBe(1000)
    expect(heldOutRows({ ...dolly, dataset: { ...dolly.dataset, heldOutFraction: 0.1 } }, size)).toBe(5200)
  })
})

describe('the data file itself', () => {
  const flock = () =>
    checkedRows(readFileSync(join(root, 'recipes/data/flock/flock.json')), 'flock.json', 'auto')
  const mini = checkedInRecipe('dolly-mini')

  it('is counted without a tokenizer by 4 characters a token: near the 73.5 that Prepare found', async () => {
    const size = sizeOfRows(mini, await flock())
    expect(size.rows).toBe(240)
    expect(size.tokensPerRow).toBeGreaterThan(73.5 * 0.9)
    expect(size.tokensPerRow).toBeLessThan(73.5 * 1.1)
    expect(size.because).toBe('The data file: all rows counted by 4 characters a token.')
  })

  it("is counted by the model's tokenizer where there is one, and cut where rows are", async () => {
    const rows = await flock()
    const size = sizeOfRows(mini, rows, () => 50)
    expect(size).toMatchObject({
      tokensPerRow: 51,
      because: expect.stringContaining("the model's tokenizer"),
    })
    expect(sizeOfRows(mini, rows, () => 9999).tokensPerRow).toBe(mini.training.maxTokens)
  })

  it('is sampled where it is long: every n-th row, and says so', () => {
    const values = Array.from({ length: 5000 }, () => ({ instruction: 'One', output: 'Two' }))
    let counted = 0
    const size = sizeOfRows(unknown, { values, rowsWithoutResponse: 0, format: 'alpaca' }, () => {
      counted += 1
      return 10
    })
    expect(counted).toBe(1000)
    expect(size).toMatchObject({ rows: 5000, because: expect.stringContaining('1,000 of 5,000 rows') })
  })
})

describe('the text of a row', () => {
  const { template } = unknown

  it('of Alpaca and of dolly-15k is the prompt, the response and the end key', () => {
    const expected = (input: string) =>
      `Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nSay it.\n\n${input}### Response:\nBaa.\n\n### End`
    const alpaca = { instruction: 'Say it.', input: null, output: 'Baa.' }
    expect(rowText(template, 'alpaca', alpaca)).toBe(expected(''))
    expect(rowText(template, 'alpaca', { ...alpaca, input: 'Now' })).toBe(expected('Input:\nNow\n\n'))
    const dolly15k = { instruction: 'Say it.', context: 'Now', response: 'Baa.' }
    expect(rowText(template, 'dolly', dolly15k)).toBe(expected('Input:\nNow\n\n'))
  })

  it('of a conversation has the introduction once, and the system before the first question', () => {
    const messages = [
      { role: 'system', content: 'Be a sheep.' },
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'Baa.' },
      { role: 'user', content: 'Two?' },
      { role: 'assistant', content: 'Baa baa.' },
    ]
    const text = rowText(template, 'chat', { messages })
    expect(text.match(/Below is an instruction/g)).toHaveLength(1)
    expect(text).toContain(
      '### Instruction:\nBe a sheep.\n\nOne?\n\n### Response:\nBaa.\n\n### End### Instruction:\nTwo?',
    )
    const plain = { ...template, prompt: 'Q: {instruction} A: ' }
    expect(rowText(plain, 'chat', { messages: messages.slice(1) })).toBe(
      'Q: One? A: Baa.\n\n### EndQ: Two? A: Baa baa.\n\n### End',
    )
  })
})
