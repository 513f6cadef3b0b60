import { Code, LayerVersion, Runtime } from 'aws-cdk-lib/aws-lambda'
import type { Construct } from 'constructs'
import { bundledLibraries } from '../bundle.ts'

export const RUNTIME = Runtime.NODEJS_24_X

/**
 * What all functions speak to AWS with, once for all of them: of the versions in package-lock.json, not of the day's runtime,
 * and sent up again when they change, not with each change of a function.
 */
export class Libraries extends LayerVersion {
  constructor(scope: Construct, id: string) {
    super(scope, id, {
      description: 'Roslin: AWS SDK, Powertools and ElectroDB, what its functions use of them',
      code: Code.fromAsset(bundledLibraries()),
      compatibleRuntimes: [RUNTIME],
    })
  }
}
