import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { run } from '../../local/command.ts'

const TOOLS = ['buildah', 'podman', 'runc', 'debootstrap']
const BASE = 'localhost/roslin-base'
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

/** What this machine lacks for building and running an image without a docker engine; empty when nothing. */
export function missingContainerTools(): string[] {
  const missing = TOOLS.filter((tool) => spawnSync('which', [tool]).status !== 0)
  return process.getuid?.() === 0 ? missing : [...missing, 'the rights of root']
}

/** An image store of its own, in a temporary folder. */
export class ContainerStore {
  readonly #folder = mkdtempSync(join(tmpdir(), 'roslin-image-'))
  readonly #store = [
    '--root',
    join(this.#folder, 'root'),
    '--runroot',
    join(this.#folder, 'run'),
    '--storage-driver',
    'overlay',
  ]

  /** Debian 12, with the package settings of this machine: its CA certificates, pip's and uv's. */
  async importBase(): Promise<void> {
    const base = join(this.#folder, 'base')
    // Without one, debootstrap knows its distribution's own.
    const { DEBIAN_MIRROR: mirror } = process.env
    await run('debootstrap', [
      '--variant=minbase',
      '--include=ca-certificates,python3-venv',
      'bookworm',
      base,
      ...(mirror ? [mirror] : []),
    ])
    if (existsSync(CERTIFICATES)) copyFileSync(CERTIFICATES, join(base, CERTIFICATES))
    for (const file of ['/etc/pip.conf', '/etc/uv/uv.toml', '/etc/apt/sources.list.d/debian.sources']) {
      if (!existsSync(file)) continue
      mkdirSync(join(base, dirname(file)), { recursive: true })
      copyFileSync(file, join(base, file))
    }
    if (!existsSync('/etc/uv/uv.toml')) {
      mkdirSync(join(base, 'etc/uv'), { recursive: true })
      // Else uv trusts the certificates it was compiled with, and not this machine's.
      writeFileSync(join(base, 'etc/uv/uv.toml'), 'system-certs = true\n')
    }
    const container = (await this.#buildah('from', 'scratch')).trim()
    await this.#buildah('add', '--quiet', container, base, '/')
    await this.#buildah('commit', '--quiet', '--rm', container, BASE)
    rmSync(base, { recursive: true })
  }

  /** @param cache uv's, so that nothing is fetched twice */
  async build(folder: string, variant: string, tag: string, cache: string): Promise<void> {
    mkdirSync(cache, { recursive: true })
    // A chroot: the kernel's namespaces may be closed to us.
    await this.#buildah(
      ...['build', '--isolation', 'chroot', '--network', 'host', '--layers=false'],
      ...['--volume', `${cache}:/root/.cache/uv`],
      ...['--build-arg', `BASE_IMAGE=${BASE}`, '--build-arg', `VARIANT=${variant}`, '--tag', tag, folder],
    )
  }

  /** Runs a command to its end. @throws with what it printed, when its exit code is not 0. */
  run(image: string, options: readonly string[], command: readonly string[] = []): Promise<string> {
    return run('podman', [
      ...this.#store,
      ...['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', 'run', '--rm', '--network=host'],
      // Limits above the ones this process has itself are refused where it may not raise them.
      ...['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000'],
      ...options,
      image,
      ...command,
    ])
  }

  async remove(): Promise<void> {
    await run('buildah', [...this.#store, 'rm', '--all']).catch(() => '')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #buildah(...args: readonly string[]): Promise<string> {
    return run('buildah', [...this.#store, ...args])
  }
}
