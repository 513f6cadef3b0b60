import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../support/checked-in.ts'
import { execute } from '../support/spawned.ts'

const SCRIPT = join(root, 'infra/user-data/scratch.sh')
const ROOT_DISK = '/dev/nvme0n1 Amazon Elastic Block Store'

/** A machine with so many disks of its own: its commands write down what they are told, and do nothing else. */
function machine(disks: number, { failing }: { failing?: string } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'roslin-machine-'))
  const bin = join(folder, 'bin')
  const scratch = join(folder, 'scratch')
  const said = join(folder, 'said')
  mkdirSync(bin)
  writeFileSync(said, '')
  const own = Array.from(
    { length: disks },
    (_, index) => `/dev/nvme${index + 1}n1 Amazon EC2 NVMe Instance Storage`,
  )
  const command = (name: string, does: string) => {
    const end = name === failing ? 'exit 1' : does
    writeFileSync(join(bin, name), `#!/bin/bash\necho "${name} $*" >> ${said}\n${end}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  writeFileSync(join(folder, 'disks'), [ROOT_DISK, ...own, ''].join('\n'))
  command('lsblk', `cat ${folder}/disks`)
  command('mdadm', '')
  command('mkfs.xfs', '')
  command('mount', `touch ${folder}/mounted`)
  command('mountpoint', `[[ -e ${folder}/mounted ]]`)
  return {
    scratch,
    commands: () =>
      readFileSync(said, 'utf8')
        .split('\n')
        .filter((line) => /^(mdadm|mkfs|mount) |^mkfs/.test(line)),
    run: () => execute('bash', [SCRIPT, scratch], { PATH: `${bin}${delimiter}${process.env.PATH}` }),
  }
}

function expectUsable(scratch: string) {
  expect((statSync(scratch).mode & 0o7777).toString(8)).toBe('1777')
}

describe("a machine's scratch folder", () => {
  it('is on the root volume where the machine has no disk of its own', async () => {
    const { run, commands, scratch } = machine(0)
    const { code, stdout } = await run()
    expect(stdout).toContain('no instance store')
    expect(commands()).toEqual([])
    expectUsable(scratch)
    expect(code).toBe(0)
  })

  it('is the one disk, as it is', async () => {
    const { run, commands, scratch } = machine(1)
    const { code, stdout } = await run()
    expect(commands()).toEqual(['mkfs.xfs -K /dev/nvme1n1', `mount -o noatime /dev/nvme1n1 ${scratch}`])
    expect(stdout).toContain(`1 disks of the instance store at ${scratch}`)
    expectUsable(scratch)
    expect(code).toBe(0)
  })

  it('is eight disks as one RAID 0, and never the root disk', async () => {
    const { run, commands, scratch } = machine(8)
    const { code } = await run()
    const disks = [1, 2, 3, 4, 5, 6, 7, 8].map((disk) => `/dev/nvme${disk}n1`).join(' ')
    expect(commands()).toEqual([
      `mdadm --create /dev/md/roslin-scratch --run --level=0 --raid-devices=8 ${disks}`,
      'mkfs.xfs -K /dev/md/roslin-scratch',
      `mount -o noatime /dev/md/roslin-scratch ${scratch}`,
    ])
    expectUsable(scratch)
    expect(code).toBe(0)
  })

  it.each([1, 8])('is left as it is by a second run: %i disks', async (disks) => {
    const { run, commands, scratch } = machine(disks)
    await run()
    const once = commands()
    const { code } = await run()
    expect(commands()).toEqual(once)
    expectUsable(scratch)
    expect(code).toBe(0)
  })

  it.each(['mdadm', 'mkfs.xfs', 'mount'])(
    'is on the root volume, and says so, where %s fails',
    async (failing) => {
      const { run, scratch } = machine(8, { failing })
      const { code, stderr } = await run()
      expect(stderr).toContain(`could not be mounted; ${scratch} is on the root volume`)
      expectUsable(scratch)
      expect(code).toBe(0)
    },
  )
})

const shellcheck = join(root, '.venv/bin/shellcheck')

it.runIf(existsSync(shellcheck))('the script has nothing that shellcheck finds', async () => {
  const { code, stdout } = await execute(shellcheck, [SCRIPT])
  expect(stdout).toBe('')
  expect(code).toBe(0)
})
