import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'
import { lambdas } from './handlers.ts'

const source = join(lambdas, 'api/openapi.ts')

/** The API's document is the same in every answer: it is made here, and read when somebody asks. Its maker stays behind. */
export const openApiFile: Plugin = {
  name: 'openapi-file',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]api[\\/]openapi\.ts$/ }, () => ({
      contents: `import { readFileSync } from 'node:fs'
export const openApiDocument = () => JSON.parse(readFileSync(new URL('openapi.json', import.meta.url), 'utf8'))`,
    }))
  },
}

export async function writeOpenApiDocument(folder: string): Promise<void> {
  const { openApiDocument } = await import(source)
  writeFileSync(join(folder, 'openapi.json'), JSON.stringify(openApiDocument()))
}
