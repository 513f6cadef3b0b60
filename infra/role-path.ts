import { CfnResource, type IAspect } from 'aws-cdk-lib'
import type { IConstruct } from 'constructs'

const WITH_PATH = ['AWS::IAM::Role', 'AWS::IAM::InstanceProfile', 'AWS::IAM::ManagedPolicy']

/** Gives every role a path, and what else of IAM has one: accounts limit by it what a deployment may make. */
export class RolePath implements IAspect {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  visit(node: IConstruct): void {
    if (!CfnResource.isCfnResource(node) || !WITH_PATH.includes(node.cfnResourceType)) return
    node.addPropertyOverride('Path', this.#path)
  }
}
