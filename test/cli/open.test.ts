import { expect, it } from 'vitest'
import { executionUrl } from '../../cli/actions/open.ts'

it.each([
  ['aws', 'eu-west-1', 'https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1'],
  ['aws-cn', 'cn-north-1', 'https://console.amazonaws.cn/states/home?region=cn-north-1'],
  ['aws-us-gov', 'us-gov-west-1', 'https://console.amazonaws-us-gov.com/states/home?region=us-gov-west-1'],
])("an execution in partition %s has a page in that partition's console", (partition, region, page) => {
  const alias = `arn:${partition}:states:${region}:123456789012:stateMachine:Flow:live`
  expect(executionUrl(alias, 'RUN-1')).toBe(
    `${page}#/v2/executions/details/arn:${partition}:states:${region}:123456789012:execution:Flow:RUN-1`,
  )
})
