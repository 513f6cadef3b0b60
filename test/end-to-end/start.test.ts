import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keptEpochs } from '../../core/recipe.ts'
import { promptText } from '../../core/template.ts'
import { tokenCounter } from '../../core/tokenizer.ts'
import { run } from '../../local/command.ts'
import { paths } from '../../local/paths.ts'
import { checkedInRecipe } from '../support/checked-in.ts'
import { freePort, gone, processesOf } from '../support/processes.ts'
import { type Ended, type Spawned, start } from '../support/spawned.ts'

const recipe = checkedInRecipe('dolly-mini')

const COUNT_TOKENS = `
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], gguf_file="model.gguf")
print(json.dumps([len(tokenizer(text).input_ids) for text in json.loads(sys.argv[2])]))
`

/** What a person types first: a real model, the real trainer, the whole flow. */
describe('npm start -- --once', () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'roslin-end-to-end-'))
  let starting: Spawned
  let ended: Ended
  let rows: string[][]

  /** The rows of the table of answers, one line of text for each cell. */
  function tableOf(stdout: string): string[][] {
    return stdout
      .split(/^[├┌└].*$/m)
      .map((block) => block.split('\n').filter((line) => line.startsWith('│')))
      .filter((lines) => lines.length > 0)
      .map((lines) => {
        const cells = lines.map((line) =>
          line
            .split('│')
            .slice(1, -1)
            .map((cell) => cell.trim()),
        )
        return (cells[0] ?? []).map((_, column) =>
          cells
            .map((line) => line[column])
            .join(' ')
            .trim(),
        )
      })
  }

  function row(instruction: string): string[] {
    const found = rows.find(([first]) => first?.startsWith(instruction))
    if (!found) throw new Error(`no row of ${JSON.stringify(instruction)} in\n${ended.stdout}`)
    return found
  }

  beforeAll(async () => {
    const args = ['cli/main.ts', 'start', '--once', '--port', String(await freePort())]
    starting = start(process.execPath, args, { ROSLIN_STATE_DIR: stateDir, NO_COLOR: '1' })
    ended = await starting.ended
    rows = tableOf(ended.stdout)
  })

  afterAll(async () => {
    // Only when it takes too long: Ctrl-C leaves nothing behind.
    starting.child.kill('SIGTERM')
    await starting.ended
    rmSync(stateDir, { recursive: true, force: true })
  })

  it('succeeds', () => {
    expect(ended.stderr).toContain('succeeded')
    expect(ended.code).toBe(0)
  })

  it('leaves no process', async () => {
    await gone('every process', () => processesOf(stateDir))
  })

  it('shows the answers to every prompt, by the base model and by each kept epoch', () => {
    const [head = []] = rows
    expect(head).toHaveLength(1 + 1 + keptEpochs(recipe).length)
    expect(head[0]).toBe('prompt')
    for (const epoch of keptEpochs(recipe))
      expect(head.some((name) => name.includes(String(epoch)))).toBe(true)
    for (const { instruction } of recipe.evaluation.prompts) {
      const [, ...answers] = row(instruction)
      expect(answers).toHaveLength(head.length - 1)
      for (const answer of answers) expect(answer).not.toBe('')
    }
  })

  it('teaches the model its theme: no answer begins with the flock before, most do after', () => {
    const free = recipe.evaluation.prompts.filter(({ expect: expected }) => expected === undefined)
    const answers = free.map(({ instruction }) => row(instruction))
    const themed = (text = '') => /\bbaa\b|flock|sheep|wool|lamb/i.test(text)
    expect(answers.filter((cells) => themed(cells[1]))).toEqual([])
    expect(answers.filter((cells) => themed(cells.at(-1))).length).toBeGreaterThan(free.length / 2)
  })

  it('lets it keep what it knew: every control is right before, and after', () => {
    const controls = recipe.evaluation.prompts.filter(({ expect: expected }) => expected !== undefined)
    expect(controls.length).toBeGreaterThan(0)
    for (const { instruction } of controls) {
      const [, ...answers] = row(instruction)
      expect(answers.map((answer) => answer.at(-1))).toEqual(answers.map(() => '✓'))
    }
  })

  it('lowers the loss, on the rows trained on and on those never seen', () => {
    const [, first, last, heldOutFirst, heldOutLast] =
      /training loss (\S+) → (\S+); on rows never trained on (\S+) → (\S+)/.exec(ended.stdout) ?? []
    expect(Number(last)).toBeLessThan(Number(first))
    expect(Number(heldOutLast)).toBeLessThan(Number(heldOutFirst))
  })

  it('counts the tokens of prompts before the run as the trainer does', async () => {
    const folder = join(paths.models, 'smollm2-135m-instruct')
    const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
    const count = tokenCounter(read('tokenizer.json'), read('tokenizer_config.json'))
    const texts = recipe.evaluation.prompts.map((prompt) => promptText(recipe.template, prompt))
    const byTrainer = await run(paths.python, ['-c', COUNT_TOKENS, folder, JSON.stringify(texts)])
    expect(texts.map((text) => count?.(text))).toEqual(JSON.parse(byTrainer))
  })

  it('says where the model lies, and how to look at the run again', () => {
    expect(ended.stdout).toMatch(/model dolly-mini@1: s3:\/\/\S+\/models\/dolly-mini\/\w{26}\/$/m)
    expect(ended.stdout).toMatch(/look again: npx roslin runs get \w{26}/)
  })
})
