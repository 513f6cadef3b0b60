import { expect, it } from 'vitest'
import { hint } from '../../cli/hint.ts'

it.each([
  ['no option but those given', {}, 'npx roslin runs list'],
  ['none that is undefined', { team: undefined, limit: 1 }, 'npx roslin runs list --limit 1'],
  [
    'all that were given, in order',
    { team: 'speech', profile: 'research-sso', status: 'failed', cursor: '01JD==' },
    'npx roslin runs list --team speech --profile research-sso --status failed --cursor 01JD==',
  ],
  [
    'what a shell would take apart in quotes',
    { profile: "Ada's own" },
    "npx roslin runs list --profile 'Ada'\\''s own'",
  ],
])('a command to type next has %s', (_, options, command) => {
  expect(hint('runs list', options)).toBe(command)
})
