import { describe, expect, it } from 'vitest'
import { baseModelFacts, contextTokensOfConfig, hubRepository } from '../../core/base-model.ts'
import { recipe } from '../support/recipes.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

const ofModel = (baseModel: Record<string, unknown>) =>
  recipe({ baseModel: { source: 's3://team-bucket/models/own/', licence: 'MIT', ...baseModel } })

describe('the facts of a base model', () => {
  it('are known of the models people ask for by name', () => {
    expect(baseModelFacts(ofModel({ source: 'hf://EleutherAI/gpt-j-6b' }))).toEqual({
      parameters: 6_050_882_784,
      contextTokens: 2048,
    })
  })

  it("are the recipe's before the files' before the table's", () => {
    const source = 'hf://EleutherAI/pythia-12b'
    expect(baseModelFacts(ofModel({ source, parameters: 7 }), { parameters: 8, contextTokens: 9 })).toEqual({
      parameters: 7,
      contextTokens: 9,
    })
  })

  it('are asked for, each by its field, where nobody knows them', () => {
    expect(
      pathsOf(
        thrownBy(() => baseModelFacts(ofModel({}))),
        'MODEL_UNREADABLE',
      ),
    ).toEqual(['baseModel.parameters', 'baseModel.contextTokens'])
    const error = thrownBy(() => baseModelFacts(ofModel({}), { contextTokens: 2048 }))
    expect(pathsOf(error, 'MODEL_UNREADABLE')).toEqual(['baseModel.parameters'])
    expect(error.message).toContain('s3://team-bucket/models/own/')
  })
})

describe('the context length in a config.json', () => {
  it.each([
    [{ max_position_embeddings: 8192 }, 8192],
    [{ n_positions: 2048 }, 2048],
    [{ n_ctx: 1024, vocab_size: 50400 }, 1024],
    [{ max_position_embeddings: 4096, n_positions: 1 }, 4096],
    [{}, undefined],
    [{ n_positions: -1 }, undefined],
    ['no object', undefined],
    [undefined, undefined],
  ])('of %j is %j', (config, tokens) => {
    expect(contextTokensOfConfig(config)).toBe(tokens)
  })
})

describe('the repository of a source', () => {
  it.each([
    ['hf://EleutherAI/gpt-j-6b', 'EleutherAI/gpt-j-6b'],
    ['s3://bucket/models/', undefined],
    ['hf://gpt2', undefined],
    ['hf://a/b/c', undefined],
    ['hf://../secret', undefined],
    ['hf://owner/..', undefined],
    ['../models/own', undefined],
  ])('%s is %s', (source, repository) => {
    expect(hubRepository(source)).toBe(repository)
  })
})
