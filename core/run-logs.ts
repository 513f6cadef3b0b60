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
