import type { Recipe } from './recipe.ts'

type Template = Recipe['template']
type Prompt = Pick<Recipe['evaluation']['prompts'][number], 'instruction' | 'input'>

/** All that a model reads before it answers. The trainer's prompt.py writes the same text. */
export function promptText(template: Template, { instruction, input }: Prompt): string {
  const fields: Record<string, string> = { '{instruction}': instruction, '{input}': input ?? '' }
  // In one pass: an instruction may itself contain "{input}".
  return (input ? template.promptWithInput : template.prompt).replace(
    /\{(?:instruction|input)\}/g,
    (name) => fields[name] ?? name,
  )
}
