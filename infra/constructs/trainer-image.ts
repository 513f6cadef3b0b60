import { join } from 'node:path'
import { DockerImageAsset, type DockerImageAssetProps, Platform } from 'aws-cdk-lib/aws-ecr-assets'
import { ContainerImage } from 'aws-cdk-lib/aws-ecs'
import { Construct } from 'constructs'
import type { TrainerImageSource } from '../../core/team-trainer.ts'

/** The image of every job: one for all steps of a run, because the variants do not read each other's models. */
export class TrainerImage extends Construct {
  readonly image: ContainerImage
  /** By its digest, or by the hash of what it was built from, which the CDK's repository lets nobody move. */
  readonly name: string

  constructor(scope: Construct, id: string, source: TrainerImageSource) {
    super(scope, id)
    if (typeof source === 'string') {
      this.image = ContainerImage.fromRegistry(source)
      this.name = source
      return
    }
    const asset = new DockerImageAsset(this, source.variant, trainerBuild(source))
    this.image = ContainerImage.fromDockerImageAsset(asset)
    this.name = asset.imageUri
  }
}

/** How containers/trainer is built. Its .dockerignore keeps all out that is not of the image, and so out of the asset's hash. */
export function trainerBuild({
  variant,
  buildCache,
}: Exclude<TrainerImageSource, string>): DockerImageAssetProps {
  return {
    directory: join(import.meta.dirname, '../../containers/trainer'),
    platform: Platform.LINUX_AMD64,
    buildArgs: { VARIANT: variant },
    ...(buildCache && {
      cacheFrom: [{ type: 'registry', params: { ref: buildCache } }],
      // ECR takes a cache as an OCI image only.
      cacheTo: {
        type: 'registry',
        params: { ref: buildCache, mode: 'max', 'image-manifest': 'true', 'oci-mediatypes': 'true' },
      },
    }),
  }
}
