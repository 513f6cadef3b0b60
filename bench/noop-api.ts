import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStacksCommand,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation'

const STACK = 'Bench-Noop'
/** It says one line, as ours do: for one that says none, MiniStack waits 50 ms for what it might say. */
const CODE = `exports.handler = async () => {
  console.log('{}')
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: '{}' }
}`

const getAtt = (id: string, attribute: string) => ({ 'Fn::GetAtt': [id, attribute] })
const ref = (id: string) => ({ Ref: id })

/** A function that does nothing, behind an API of the same shape as the team's: signed requests, one route, one function. */
export async function deployNoop(memoryMib: number): Promise<string> {
  const client = new CloudFormationClient({})
  const template = {
    Resources: {
      Role: {
        Type: 'AWS::IAM::Role',
        Properties: {
          AssumeRolePolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { Service: 'lambda.amazonaws.com' } },
            ],
          },
        },
      },
      Function: {
        Type: 'AWS::Lambda::Function',
        Properties: {
          Handler: 'index.handler',
          Runtime: 'nodejs24.x',
          MemorySize: memoryMib,
          Role: getAtt('Role', 'Arn'),
          Code: { ZipFile: CODE },
        },
      },
      Api: { Type: 'AWS::ApiGatewayV2::Api', Properties: { Name: STACK, ProtocolType: 'HTTP' } },
      Integration: {
        Type: 'AWS::ApiGatewayV2::Integration',
        Properties: {
          ApiId: ref('Api'),
          IntegrationType: 'AWS_PROXY',
          IntegrationUri: getAtt('Function', 'Arn'),
          PayloadFormatVersion: '2.0',
        },
      },
      Route: {
        Type: 'AWS::ApiGatewayV2::Route',
        Properties: {
          ApiId: ref('Api'),
          RouteKey: 'GET /v1/{proxy+}',
          AuthorizationType: 'AWS_IAM',
          Target: { 'Fn::Join': ['', ['integrations/', ref('Integration')]] },
        },
      },
      Stage: {
        Type: 'AWS::ApiGatewayV2::Stage',
        Properties: { ApiId: ref('Api'), StageName: '$default', AutoDeploy: true },
      },
      Permission: {
        Type: 'AWS::Lambda::Permission',
        Properties: {
          Action: 'lambda:InvokeFunction',
          FunctionName: getAtt('Function', 'Arn'),
          Principal: 'apigateway.amazonaws.com',
        },
      },
    },
    Outputs: { ApiUrl: { Value: getAtt('Api', 'ApiEndpoint') } },
  }
  await client.send(
    new CreateStackCommand({
      StackName: STACK,
      TemplateBody: JSON.stringify(template),
      Capabilities: ['CAPABILITY_IAM'],
    }),
  )
  await waitUntilStackCreateComplete({ client, maxWaitTime: 60, minDelay: 1 }, { StackName: STACK })
  const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: STACK }))
  return Stacks?.[0]?.Outputs?.[0]?.OutputValue ?? ''
}
