import { z } from 'zod'
import type { Recipe } from './recipe.ts'

export type RowFormat = Exclude<Recipe['dataset']['format'], 'auto'>

const wellFormed = (text: string) => text.isWellFormed()
const HALF_A_PAIR = 'has half a surrogate pair, which no tokenizer reads'

const text = z
  .string()
  .refine((value) => value.trim() !== '', 'must not be empty')
  .refine(wellFormed, HALF_A_PAIR)
/** May be blank, as some of Alpaca's are: its row is left out, not refused. */
const response = z.string().refine(wellFormed, HALF_A_PAIR)
/** Exports of tables have null where a text is missing. */
const optionalText = z.string().refine(wellFormed, HALF_A_PAIR).nullish()

const message = z.discriminatedUnion('role', [
  // Public data have systems that say nothing.
  z.looseObject({ role: z.literal('system'), content: optionalText }),
  z.looseObject({ role: z.literal('user'), content: text }),
  z.looseObject({ role: z.literal('assistant'), content: response }),
])

const chat = z.looseObject({
  messages: z
    .array(message)
    .min(1, 'must not be empty')
    .superRefine((messages, context) => {
      const system = messages[0]?.role === 'system' ? 1 : 0
      for (const [index, { role }] of messages.entries()) {
        const expected = (index - system) % 2 === 0 ? 'user' : 'assistant'
        if (index < system || role === expected) continue
        context.addIssue({
          code: 'custom',
          path: [index, 'role'],
          message: `must be ${expected} here, not ${role}`,
        })
        return
      }
      if (messages.at(-1)?.role !== 'assistant') {
        context.addIssue({ code: 'custom', message: 'must end with one of the assistant' })
      }
    }),
})

/** What a row of each format has. The trainer's formats.py holds rows to the same. */
export const ROW_SCHEMAS: Readonly<Record<RowFormat, z.ZodType>> = {
  alpaca: z.looseObject({ instruction: text, input: optionalText, output: response }),
  dolly: z.looseObject({ instruction: text, context: optionalText, response }),
  chat,
}

/** The same in words, for who has to mend a row. */
export const ROW_NEEDS: Readonly<Record<RowFormat, string>> = {
  alpaca: 'Each row needs "instruction", which is not blank, and "output", both text, and may have "input"',
  dolly:
    'Each row needs "instruction", which is not blank, and "response", both text, and may have "context"',
  chat: 'Each row needs "messages": perhaps one of the system, then of user and assistant in turn, each with "role" and "content"',
}

/** The fields that rows are made from; a table's other columns are not read. */
export const ROW_FIELDS = ['instruction', 'input', 'output', 'context', 'response', 'messages']

/** The format of the first value that is an object. */
export function detectFormat(values: readonly unknown[]): RowFormat {
  const first = values.find((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
  if (!first || 'messages' in (first as object)) return first ? 'chat' : 'alpaca'
  return 'response' in (first as object) && !('output' in (first as object)) ? 'dolly' : 'alpaca'
}
