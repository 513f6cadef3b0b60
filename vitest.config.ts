import { defineConfig } from 'vitest/config'

// One emulator with one deployment serves all files, one after the other.
const onOneDeployment = {
  globalSetup: ['test/support/temporary-folder.ts', 'test/support/embedded-aws.ts'],
  pool: 'forks',
  fileParallelism: false,
  testTimeout: 120_000,
  hookTimeout: 240_000,
} as const

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          globalSetup: 'test/support/temporary-folder.ts',
          include: ['test/{core,cli,docs,infra,lambdas,local}/**/*.test.ts'],
          // The CDK is loaded once for all files instead of once for each: seconds instead of half a minute.
          pool: 'threads',
          isolate: false,
          // Some start the CDK or cfn-lint: seconds each, and far more on a machine that has other things to do.
          maxConcurrency: 2,
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'embedded',
          include: ['test/embedded/*.test.ts'],
          ...onOneDeployment,
        },
      },
      {
        test: {
          name: 'chaos',
          include: ['test/embedded/chaos/*.test.ts'],
          ...onOneDeployment,
        },
      },
      {
        test: {
          name: 'end-to-end',
          globalSetup: 'test/support/temporary-folder.ts',
          include: ['test/end-to-end/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 120_000,
          // Five minutes on a machine that has nothing else to do.
          hookTimeout: 20 * 60_000,
        },
      },
      {
        test: {
          // npm run test:slow: what takes minutes and seldom breaks; the rest is near the time that a change may take.
          name: 'slow',
          include: ['test/slow/**/*.test.ts'],
          ...onOneDeployment,
          hookTimeout: 20 * 60_000,
        },
      },
      {
        test: {
          // npm run test:image: 40 GB of disk for a while.
          name: 'image',
          globalSetup: 'test/support/temporary-folder.ts',
          include: ['test/image/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 10 * 60_000,
          // Building it unpacks and copies 6 GB.
          hookTimeout: 40 * 60_000,
        },
      },
    ],
  },
})
