import { describe, expect, it } from 'vitest'
import { tokenCounter } from '../../core/tokenizer.ts'
import { BYTE_TOKENIZER } from '../support/byte-tokenizer.ts'

const files = [BYTE_TOKENIZER['tokenizer.json'], BYTE_TOKENIZER['tokenizer_config.json']] as const

describe('the count of tokens', () => {
  it("is that of the model's own tokenizer", () => {
    const count = tokenCounter(...files)
    expect(count?.('Baa!')).toBe(4)
    expect(count?.('Dolly, the sheep\n')).toBe(17)
    expect(count?.('🐑')).toBe(4)
  })

  it.each([
    ['no files', undefined, undefined],
    ['no configuration', files[0], undefined],
    ['a tokenizer of an unknown kind', { ...files[0], model: { type: 'Unheard' } }, files[1]],
    ['text', 'tokenizer', files[1]],
  ])('is not known from %s', (_, tokenizer, config) => {
    expect(tokenCounter(tokenizer, config)).toBeUndefined()
  })
})
