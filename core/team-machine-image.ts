import { z } from 'zod'

export const machineImageSchema = z
  .strictObject({
    driverVersion: z
      .string()
      .regex(/^580\.\d{1,3}\.\d{1,2}$/, 'a version of R580, the last branch that knows Volta')
      .default('580.159.04')
      .describe("NVIDIA's proprietary driver, as https://us.download.nvidia.com/tesla/ has it"),
    containerToolkitVersion: z
      .string()
      .regex(/^\d+\.\d+\.\d+-\d+$/, 'a version such as 1.17.8-1')
      .default('1.17.8-1')
      .describe('Of the NVIDIA container toolkit, as its repository of packages names it'),
    buildInstanceType: z
      .enum(['p3.2xlarge', 'p3.8xlarge', 'p3dn.24xlarge'])
      .default('p3.2xlarge')
      .describe('Where images are built and tested, for about 40 minutes each: one with a V100'),
  })
  .describe(
    'Machine images for p3: a pipeline that builds, tests and promotes one each week, in the stack Roslin-<team>-MachineImage. Capacity takes it by amiParameter: /imagebuilder/roslin/<team>/machine-image',
  )

export type MachineImageSettings = z.output<typeof machineImageSchema>

/** Under this prefix Image Builder may write with the rights it always has. */
export function machineImageParameter(team: string): string {
  return `/imagebuilder/roslin/${team}/machine-image`
}
