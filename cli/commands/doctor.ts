import type { Command } from 'commander'
import { deploymentCommand } from './options.ts'

export function addDoctorCommand(program: Command): void {
  deploymentCommand(program, 'doctor')
    .description('look for what is missing, on this machine and at AWS, and say how to mend it')
    .action(async (options) => (await import('../actions/doctor.ts')).examine(options))
}
