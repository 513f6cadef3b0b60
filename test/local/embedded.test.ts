import { readFileSync, rmSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { awsEnvironment, forget, remember } from '../../local/embedded.ts'
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

describe('the environment of what speaks to the embedded AWS', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })
  const environment = (shell: Record<string, string | undefined>) => {
    for (const [name, value] of Object.entries({ no_proxy: undefined, NO_PROXY: undefined, ...shell }))
      vi.stubEnv(name, value)
    return awsEnvironment(embedded)
  }

  it.each([
    [{}, '127.0.0.1'],
    [{ NO_PROXY: 'intranet, 10.0.0.0/8' }, 'intranet,10.0.0.0/8,127.0.0.1'],
    [{ NO_PROXY: 'old', no_proxy: 'intranet' }, 'intranet,127.0.0.1'],
    [{ no_proxy: '127.0.0.1,intranet' }, 'intranet,127.0.0.1'],
  ])('asks no proxy for it where the shell has %j', (shell, hosts) => {
    expect(environment(shell)).toMatchObject({ NO_PROXY: hosts, no_proxy: hosts })
  })

  it('asks for no kind of endpoint that only the real AWS has', () => {
    const shell = { AWS_USE_FIPS_ENDPOINT: 'true', AWS_USE_DUALSTACK_ENDPOINT: 'true' }
    expect(environment(shell)).toMatchObject({
      AWS_USE_FIPS_ENDPOINT: 'false',
      AWS_USE_DUALSTACK_ENDPOINT: 'false',
    })
  })
})
