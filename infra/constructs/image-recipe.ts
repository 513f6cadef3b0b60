import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CfnComponent, CfnImageRecipe } from 'aws-cdk-lib/aws-imagebuilder'
import { Construct } from 'constructs'
import type { MachineImageSettings } from '../../core/team-machine-image.ts'
import { SYSTEM_GIB } from './scratch.ts'

export interface ImageRecipeProps {
  readonly team: string
  readonly settings: MachineImageSettings
}

/** What AWS keeps current: Amazon Linux 2023 with the ECS agent and Docker, without a driver. */
const PARENT = 'ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id'

/** What a machine image is made of: infra/machine-image/. A recipe cannot be changed, so another one has another name. */
export class ImageRecipe extends Construct {
  readonly arn: string

  constructor(scope: Construct, id: string, { team, settings }: ImageRecipeProps) {
    super(scope, id)
    const driver = { name: 'DriverVersion', value: [settings.driverVersion] }
    const toolkit = { name: 'ToolkitVersion', value: [settings.containerToolkitVersion] }
    const install = component('install')
    const test = component('test')
    const name = (part: string, ...made: readonly unknown[]) => `roslin-${team}-${part}-${digest(made)}`
    const define = (part: string, data: string) =>
      new CfnComponent(this, part, { name: name(part, data), version: '1.0.0', platform: 'Linux', data })
    const recipe = new CfnImageRecipe(this, 'Recipe', {
      name: name('image', PARENT, settings, install, test),
      version: '1.0.0',
      parentImage: PARENT,
      components: [
        { componentArn: define('install', install).attrArn, parameters: [driver, toolkit] },
        { componentArn: define('test', test).attrArn, parameters: [driver] },
      ],
      blockDeviceMappings: [
        {
          deviceName: '/dev/xvda',
          ebs: { volumeType: 'gp3', volumeSize: SYSTEM_GIB, encrypted: true, deleteOnTermination: true },
        },
      ],
    })
    this.arn = recipe.attrArn
  }
}

function component(name: string): string {
  return readFileSync(join(import.meta.dirname, `../machine-image/${name}.yaml`), 'utf8')
}

function digest(made: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(made)).digest('hex').slice(0, 12)
}
