/** Resources of the synthesised templates, as far as costs are read from them. */
export interface TemplateResource {
  readonly Type: string
  // biome-ignore lint/suspicious/noExplicitAny: a template's properties have a shape for each of its types
  readonly Properties?: any
}

/** Logical id → resource; of both stacks together. */
export type Resources = Readonly<Record<string, TemplateResource>>

/** The logical id that `{Ref}` or `{Fn::GetAtt}` leads to. */
export function referredId(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if ('Ref' in value && typeof value.Ref === 'string') return value.Ref
  if ('Fn::GetAtt' in value && Array.isArray(value['Fn::GetAtt'])) return value['Fn::GetAtt'][0]
  return undefined
}
