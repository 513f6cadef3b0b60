import { readFileSync, rmSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { forget, remember } from '../../local/embedded.ts'
import { paths } from '../../local/paths.ts'

const embedded = { port: 4911, pid: 1000, account: '000000000000', region: 'us-east-1', team: 'demo' }

describe('the record of the embedded AWS that runs', () => {
  afterEach(() => rmSync(paths.record, { force: true }))

  it('goes with the process that it is of', () => {
    remember(embedded)
    forget(1000)
    expect(() => readFileSync(paths.record)).toThrow('ENOENT')
    forget(1000)
  })

  it('stays when another process ends, which ran before', () => {
    remember(embedded)
    forget(999)
    expect(JSON.parse(readFileSync(paths.record, 'utf8'))).toEqual(embedded)
  })
})
