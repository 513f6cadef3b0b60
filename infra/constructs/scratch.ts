import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EcsVolume } from 'aws-cdk-lib/aws-batch'
import { MultipartBody, MultipartUserData } from 'aws-cdk-lib/aws-ec2'

/** On the machine and in its containers alike. */
const SCRATCH_FOLDER = '/scratch'

/** The system, and two versions of the trainer's image, 13 GB unpacked each. */
export const SYSTEM_GIB = 60

/** A checkpoint of the largest models takes up to 100 s; from SIGTERM to SIGKILL, the ECS agent gives 30 s by default. */
const STOP_TIMEOUT_SECONDS = 120

/** What a job's container needs to write where its machine has room. */
export function scratchVolume() {
  return {
    volumes: [EcsVolume.host({ name: 'scratch', hostPath: SCRATCH_FOLDER, containerPath: SCRATCH_FOLDER })],
    environment: { ROSLIN_SCRATCH_DIR: SCRATCH_FOLDER },
  }
}

/** How a machine is set up before its ECS agent starts. Batch adds parts of its own, and takes only MIME multipart for that. */
export function machineUserData(): MultipartUserData {
  const scripts = [
    `#!/bin/bash\necho ECS_CONTAINER_STOP_TIMEOUT=${STOP_TIMEOUT_SECONDS}s >> /etc/ecs/ecs.config\n`,
    readFileSync(join(import.meta.dirname, '../user-data/scratch.sh'), 'utf8'),
  ]
  const parts = new MultipartUserData()
  for (const body of scripts) {
    parts.addPart(MultipartBody.fromRawBody({ contentType: MultipartBody.SHELL_SCRIPT, body }))
  }
  return parts
}
