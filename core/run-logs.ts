import { z } from 'zod'

export const logPageSchema = z.object({
  lines: z.array(
    z.object({
      at: z.iso.datetime({ offset: true }),
      step: z.string(),
      node: z.int().optional().describe('Whose line it is, where several nodes train'),
      message: z.string(),
    }),
  ),
  cursor: z.string().describe('Give it back to read on from here'),
})
export type LogPage = z.output<typeof logPageSchema>
export type LogLine = LogPage['lines'][number]

const structuredLine = z.object({ runId: z.string(), message: z.string() })

/** What a line says: the trainer's own are JSON with their run's id, for queries; a library's, or another trainer's, are text. */
export function lineText(line: string): string {
  if (!line.startsWith('{')) return line
  try {
    return structuredLine.safeParse(JSON.parse(line)).data?.message ?? line
  } catch {
    return line
  }
}
