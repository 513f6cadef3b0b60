import type { Recipe } from './recipe.ts'
import type { RowFormat } from './row-formats.ts'
import { promptText } from './template.ts'

type Template = Recipe['template']
type Row = Readonly<Record<string, unknown>>
interface Message {
  readonly role: string
  readonly content: string
}

/** Whether no response in a checked row is blank: a conversation is learned whole, or not at all. */
export function hasResponse(format: RowFormat, row: unknown): boolean {
  const { output, response, messages } = row as Row
  const hasText = (value: unknown) => (value as string).trim() !== ''
  switch (format) {
    case 'alpaca':
      return hasText(output)
    case 'dolly':
      return hasText(response)
    case 'chat':
      return (messages as readonly Message[]).every(
        ({ role, content }) => role !== 'assistant' || hasText(content),
      )
  }
}

/** A checked row as the text that a model is trained on, without the end tokens. The trainer's tokens.py writes the same. */
export function rowText(template: Template, format: RowFormat, row: unknown): string {
  const fields = row as Row
  const text = (name: string) => (fields[name] as string | null | undefined) ?? ''
  const learned = (response: string) => `${response}\n\n${template.end}`
  switch (format) {
    case 'alpaca':
      return (
        promptText(template, { instruction: text('instruction'), input: text('input') }) +
        learned(text('output'))
      )
    case 'dolly':
      return (
        promptText(template, { instruction: text('instruction'), input: text('context') }) +
        learned(text('response'))
      )
    case 'chat':
      return chatText(template, fields.messages as readonly Message[], learned)
  }
}

function chatText(template: Template, messages: readonly Message[], learned: (response: string) => string) {
  let system = ''
  let turns = 0
  let text = ''
  for (const { role, content } of messages) {
    if (role === 'system') system = `${content}\n\n`
    else if (role === 'assistant') text += learned(content)
    else {
      const prompt = promptText(template, { instruction: turns === 0 ? system + content : content })
      text += turns === 0 ? prompt : withoutIntroduction(template, prompt)
      turns += 1
    }
  }
  return text
}

/** What stands before a template's first key is read once in a conversation. */
function withoutIntroduction({ prompt }: Template, text: string): string {
  const [introduction = ''] = prompt.split('### ', 1)
  return introduction.includes('{instruction}') || introduction === prompt
    ? text
    : text.slice(introduction.length)
}
