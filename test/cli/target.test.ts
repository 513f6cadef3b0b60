import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startRoslin } from '../support/spawned.ts'

const NO_STACK = `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id Roslin-demo-ControlPlane does not exist</Message></Error></ErrorResponse>`

it('while the embedded AWS is being deployed to, says so, and nothing of a deployment to AWS', async () => {
  const embedded = createServer(({ url }, response) => {
    if (url !== '/_roslin/health')
      return response.writeHead(400, { 'content-type': 'text/xml' }).end(NO_STACK)
    const health = { ready: true, pid: process.pid, account: '000000000000', region: 'us-east-1' }
    return response.end(JSON.stringify(health))
  })
  await once(embedded.listen(0, '127.0.0.1'), 'listening')
  const { port } = embedded.address() as AddressInfo
  const stateDir = mkdtempSync(join(tmpdir(), 'roslin-target-'))
  const record = { port, pid: process.pid, account: '000000000000', region: 'us-east-1', team: 'demo' }
  writeFileSync(join(stateDir, 'embedded.json'), JSON.stringify(record))

  const env = { ROSLIN_STATE_DIR: stateDir }
  const { code, stderr } = await startRoslin(['runs', 'list'], env).ended.finally(() => embedded.close())
  expect(stderr).toMatch(/^DEPLOYMENT_NOT_FOUND: .*does not exist/)
  expect(stderr).toContain('It is still being deployed where `npx roslin up` or `npm start` runs')
  expect(stderr).not.toContain('cdk')
  expect(code).toBe(3)
})
