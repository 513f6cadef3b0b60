import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { startRoslin } from '../support/spawned.ts'

it('the command says nothing of a reader that goes before the end', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../cli/main.ts'), '--help'])
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

it('the installed command is the same, with its arguments and its exit code', async () => {
  const version = await startRoslin(['--version']).ended
  expect(version).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' })
  const { code, stderr } = await startRoslin(['runs', 'lst']).ended
  expect(code).toBe(2)
  expect(stderr).toContain("unknown command 'lst'")
})
