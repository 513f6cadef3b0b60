import { execute } from './spawned.ts'

/** The CDK's command line on an embedded AWS. @param home where it remembers accounts: ours is not for the user's. */
export const cdk = (env: Readonly<Record<string, string>>, home: string, ...args: readonly string[]) =>
  execute('node_modules/.bin/cdk', [...args], {
    ...env,
    CDK_HOME: home,
    CDK_DISABLE_VERSION_CHECK: '1',
    CI: 'true',
  })
