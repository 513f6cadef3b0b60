import { join } from 'node:path'

export const root = join(import.meta.dirname, '..')

/** All that the embedded AWS keeps on this machine; git ignores it. A test gives itself a folder of its own. */
const stateFolder = process.env.ROSLIN_STATE_DIR ?? join(root, '.roslin')

export const paths = {
  venv: join(root, '.venv'),
  python: join(root, '.venv/bin/python'),
  models: join(root, '.roslin/models'),
  state: stateFolder,
  /** The emulator's own state: tables, objects, stacks. */
  aws: join(stateFolder, 'aws'),
  record: join(stateFolder, 'embedded.json'),
  emulatorLog: join(stateFolder, 'emulator.log'),
  images: join(stateFolder, 'images.json'),
  cdk: join(stateFolder, 'cdk'),
} as const
