import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseTeam } from '../../core/team.ts'
import { root } from '../support/checked-in.ts'
import { execute } from '../support/spawned.ts'
import { everyCapacity, onlyResource, resourcesOf, synthesise } from '../support/stacks.ts'
import { pathsOf, thrownBy } from '../support/thrown.ts'

const made = (machineImage: object) => {
  const { machineImage: template, outdir } = synthesise({ ...everyCapacity, machineImage })
  if (!template) throw new Error('no stack')
  return { template, outdir }
}
const { template, outdir } = made({})
const properties = (type: string) => onlyResource(template, `AWS::ImageBuilder::${type}`).Properties
const components = resourcesOf(template, 'AWS::ImageBuilder::Component').map(([id, { Properties }]) => ({
  id,
  name: Properties.Name,
  document: parse(Properties.Data),
}))
/** All commands of a component's phase. */
const commandsOf = (index: number, phase: string) =>
  components[index]?.document.phases
    .find(({ name }: { name: string }) => name === phase)
    .steps.flatMap(({ inputs }: { inputs: { commands: string[] } }) => inputs.commands)
    .join('\n')

describe('the pipeline of machine images', () => {
  it('is there only for teams that ask for it', () => {
    expect(synthesise().machineImage).toBeUndefined()
  })

  it('makes one from AWS’s image with the ECS agent, each week, and tests it', () => {
    expect(properties('ImageRecipe').ParentImage).toBe(
      'ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id',
    )
    expect(properties('ImagePipeline')).toMatchObject({
      Schedule: {
        ScheduleExpression: 'cron(0 4 ? * sun *)',
        PipelineExecutionStartCondition: 'EXPRESSION_MATCH_ONLY',
      },
      ImageTestsConfiguration: { ImageTestsEnabled: true },
      Status: 'ENABLED',
    })
  })

  it('installs the pinned proprietary driver of the last branch with Volta, and checks that it is that', () => {
    expect(commandsOf(0, 'build')).toContain('--kernel-module-type=proprietary')
    expect(commandsOf(0, 'build')).toContain('nvidia-container-toolkit-{{ ToolkitVersion }}')
    expect(commandsOf(0, 'build')).toContain('ECS_ENABLE_GPU_SUPPORT=true')
    expect(commandsOf(0, 'validate')).toContain('modinfo --field license nvidia)" = NVIDIA')
    const [{ Parameters }] = properties('ImageRecipe').Components
    expect(Parameters).toEqual([
      { Name: 'DriverVersion', Value: ['580.159.04'] },
      { Name: 'ToolkitVersion', Value: ['1.17.8-1'] },
    ])
  })

  it('tests with nvidia-smi, and with a sample of CUDA in a container, on a machine with a V100', () => {
    expect(commandsOf(1, 'test')).toContain('nvidia-smi')
    expect(commandsOf(1, 'test')).toMatch(/docker run .*--gpus all .*cuda-sample:vectoradd/)
    expect(commandsOf(1, 'test')).toContain('Test PASSED')
    expect(properties('InfrastructureConfiguration').InstanceTypes).toEqual(['p3.2xlarge'])
  })

  it('gives components the parameters that they have, and no others', () => {
    for (const [index, { document }] of components.entries()) {
      const declared = document.parameters.flatMap(Object.keys)
      const given = properties('ImageRecipe').Components[index].Parameters.map(
        ({ Name }: { Name: string }) => Name,
      )
      expect(given).toEqual(declared)
      const used = [...JSON.stringify(document.phases).matchAll(/\{\{ (\w+) \}\}/g)].map(([, name]) => name)
      expect(new Set(used)).toEqual(new Set(declared))
    }
  })

  it('promotes an image that passed by the parameter that capacity reads', () => {
    const [distribution] = properties('DistributionConfiguration').Distributions
    expect(distribution).toMatchObject({
      Region: 'us-east-1',
      SsmParameterConfigurations: [
        { ParameterName: '/imagebuilder/roslin/speech/machine-image', DataType: 'aws:ec2:image' },
      ],
    })
    const capacity = [
      { instanceType: 'p3dn.24xlarge', amiParameter: '/imagebuilder/roslin/speech/machine-image' },
    ]
    expect(parseTeam({ ...everyCapacity, capacity }).capacity).toHaveLength(1)
  })

  it('builds on machines with IMDSv2 alone, an encrypted disk, and nothing let in', () => {
    expect(properties('InfrastructureConfiguration').InstanceMetadataOptions.HttpTokens).toBe('required')
    expect(properties('ImageRecipe').BlockDeviceMappings[0].Ebs).toMatchObject({ Encrypted: true })
    expect(onlyResource(template, 'AWS::EC2::SecurityGroup').Properties.SecurityGroupIngress).toBeUndefined()
    expect(resourcesOf(template, 'AWS::IAM::Policy')).toEqual([])
  })

  it('makes another recipe for another driver: one cannot be changed', () => {
    const other = made({ driverVersion: '580.126.09' }).template
    const nameOf = (of: typeof template) => onlyResource(of, 'AWS::ImageBuilder::ImageRecipe').Properties.Name
    expect(nameOf(other)).not.toBe(nameOf(template))
    expect(nameOf(made({}).template)).toBe(nameOf(template))
  })

  it('keeps the last four images, and those that machines were started from in the last half year', () => {
    const { PolicyDetails, ResourceSelection } = properties('LifecyclePolicy')
    expect(PolicyDetails[0].Filter).toEqual({ Type: 'COUNT', Value: 4 })
    expect(PolicyDetails[0].ExclusionRules.Amis.LastLaunched).toEqual({ Value: 6, Unit: 'MONTHS' })
    expect(ResourceSelection.TagMap).toEqual(properties('ImagePipeline').ImageTags)
  })

  it('takes no driver of a branch that has left Volta behind', () => {
    const machineImage = { driverVersion: '590.48.01' }
    const error = thrownBy(() => parseTeam({ ...everyCapacity, machineImage }))
    expect(pathsOf(error, 'TEAM_INVALID')).toEqual(['machineImage.driverVersion'])
  })

  it.each(components)('has commands in $name that bash can read', async ({ document }) => {
    const steps = document.phases.flatMap(
      ({ steps: of }: { steps: { inputs: { commands: string[] } }[] }) => of,
    )
    for (const { inputs } of steps) {
      const file = join(outdir, 'commands.sh')
      writeFileSync(file, inputs.commands.join('\n').replaceAll(/\{\{ (\w+) \}\}/g, '1.0'))
      expect((await execute('bash', ['-n', file])).stderr).toBe('')
    }
  })

  it('has a template that passes cfn-lint', async () => {
    const file = join(outdir, 'Roslin-speech-MachineImage.template.json')
    const { code, stdout, stderr } = await execute(join(root, '.venv/bin/cfn-lint'), [
      '--regions',
      'us-east-1',
      '--',
      file,
    ])
    expect(stdout + stderr).toBe('')
    expect(code).toBe(0)
  })
})
