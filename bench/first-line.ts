import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { paths, root } from '../local/paths.ts'

/** What the real trainer asks of S3, and how long it takes, before it says its first word. */
export async function firstLineOfTrainer(): Promise<{ readonly requests: number; readonly seconds: number }> {
  let requests = 0
  const s3 = createServer((_, response) => {
    requests++
    response.writeHead(404).end()
  })
  await once(s3.listen(0, '127.0.0.1'), 'listening')
  const { port } = s3.address() as AddressInfo
  const began = Date.now()
  const trainer = spawn(paths.python, ['-m', 'roslin_trainer', 'train'], {
    env: {
      ...process.env,
      PYTHONPATH: join(root, 'containers/trainer/src'),
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'bench',
      AWS_SECRET_ACCESS_KEY: 'bench',
      ROSLIN_PLAN_URI: 's3://bench/runs/bench/plan.json',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    await once(trainer.stdout, 'data')
    return { requests, seconds: (Date.now() - began) / 1000 }
  } finally {
    trainer.kill('SIGKILL')
    s3.closeAllConnections()
    s3.close()
  }
}
