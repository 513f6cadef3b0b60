"""A stack with the shape of the project's own: the resource types that its template needs, put to use."""

import json
import urllib.request
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import WaiterError

from tests.harness import ACCOUNT, REGION, Emulator, lambda_zip, wait_until

API_CODE = """
export const handler = async (event) => {
  if (event.queryStringParameters?.throw) throw new Error("secret");
  return {
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ version: "VERSION", path: event.rawPath }),
  };
};
"""


STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Principal": "*", "Resource": "*"}
ALLOW = {"Version": "2012-10-17", "Statement": [STATEMENT]}


def ref(name: str) -> dict[str, Any]:
    return {"Ref": name}


def att(name: str, attribute: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, attribute]}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def network() -> dict[str, Any]:
    return {
        "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
        "Subnet": resource("EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.0.0/24"),
        "Gateway": resource("EC2::InternetGateway"),
        "Attachment": resource(
            "EC2::VPCGatewayAttachment", VpcId=ref("Vpc"), InternetGatewayId=ref("Gateway")
        ),
        "Routes": resource("EC2::RouteTable", VpcId=ref("Vpc")),
        "Route": resource(
            "EC2::Route",
            RouteTableId=ref("Routes"),
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=ref("Gateway"),
        ),
        "S3Endpoint": resource(
            "EC2::VPCEndpoint",
            VpcId=ref("Vpc"),
            ServiceName=f"com.amazonaws.{REGION}.s3",
            RouteTableIds=[ref("Routes")],
        ),
        "Group": resource("EC2::SecurityGroup", GroupDescription="jobs", VpcId=ref("Vpc")),
        "Ingress": resource(
            "EC2::SecurityGroupIngress",
            GroupId=ref("Group"),
            IpProtocol="tcp",
            FromPort=443,
            ToPort=443,
            CidrIp="10.0.0.0/16",
        ),
        "Egress": resource(
            "EC2::SecurityGroupEgress",
            GroupId=ref("Group"),
            IpProtocol="-1",
            DestinationSecurityGroupId=ref("Group"),
        ),
        "Launch": resource("EC2::LaunchTemplate", LaunchTemplateData={"UserData": "IyEvYmluL3No"}),
    }


def jobs(version: str) -> dict[str, Any]:
    order = [{"Order": 1, "ComputeEnvironment": ref("Compute")}]
    compute = {
        "Type": "EC2",
        "MinvCpus": 0,
        "MaxvCpus": 8,
        "InstanceTypes": ["m5.large"],
        "Subnets": [ref("Subnet")],
        "SecurityGroupIds": [ref("Group")],
        "LaunchTemplate": {
            "LaunchTemplateId": ref("Launch"),
            "Version": att("Launch", "LatestVersionNumber"),
        },
    }
    container = {
        "Image": "python:3",
        "Command": ["import os; print(os.environ['BUILD'])"],
        "Environment": [{"Name": "BUILD", "Value": version}],
        "LogConfiguration": {"LogDriver": "awslogs", "Options": {"awslogs-group": ref("JobLogs")}},
        "ResourceRequirements": [{"Type": "VCPU", "Value": "1"}, {"Type": "MEMORY", "Value": "512"}],
    }
    return {
        "JobLogs": resource("Logs::LogGroup", RetentionInDays=7),
        "Policy": resource("Batch::SchedulingPolicy", FairsharePolicy={"ShareDecaySeconds": 600}),
        "Compute": resource("Batch::ComputeEnvironment", Type="managed", ComputeResources=compute),
        "Queue": resource(
            "Batch::JobQueue", Priority=1, ComputeEnvironmentOrder=order, SchedulingPolicyArn=ref("Policy")
        ),
        "Definition": resource(
            "Batch::JobDefinition",
            Type="container",
            ContainerProperties=container,
            Timeout={"AttemptDurationSeconds": "3600"},
            RetryStrategy={"Attempts": 1, "EvaluateOnExit": [{"OnReason": "*", "Action": "EXIT"}]},
            Parameters={"MixedCase": "Kept"},
            PropagateTags=True,
        ),
    }


def machine() -> dict[str, Any]:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Arguments": {
            "JobName": "job",
            "JobDefinition": "${Definition}",
            "JobQueue": "${Queue}",
            "ShareIdentifier": "one",
        },
        "Output": {"stream": "{% $states.result.Container.LogStreamName %}"},
        "End": True,
    }
    definition = {"QueryLanguage": "JSONata", "StartAt": "Job", "States": {"Job": task}}
    routing = [{"StateMachineVersionArn": att("Version", "Arn"), "Weight": 100}]
    return {
        "Machine": resource(
            "StepFunctions::StateMachine",
            RoleArn=att("Role", "Arn"),
            DefinitionString={"Fn::Sub": json.dumps(definition)},
        ),
        "Version": {
            **resource(
                "StepFunctions::StateMachineVersion",
                StateMachineArn=att("Machine", "Arn"),
                StateMachineRevisionId=att("Machine", "StateMachineRevisionId"),
            ),
            "UpdateReplacePolicy": "Retain",
            "DeletionPolicy": "Retain",
        },
        "Alias": resource("StepFunctions::StateMachineAlias", Name="live", RoutingConfiguration=routing),
    }


def api() -> dict[str, Any]:
    path = "path/2015-03-31/functions/${Function.Arn}/invocations"
    uri = {"Fn::Sub": f"arn:aws:apigateway:${{AWS::Region}}:lambda:{path}"}
    code = {"S3Bucket": "code", "S3Key": "CODE_KEY"}
    return {
        "Function": resource(
            "Lambda::Function",
            Runtime="nodejs24.x",
            Handler="index.handler",
            Role=att("Role", "Arn"),
            Code=code,
        ),
        "Invoke": resource(
            "Lambda::EventInvokeConfig",
            FunctionName=ref("Function"),
            Qualifier="$LATEST",
            MaximumRetryAttempts=1,
        ),
        "Permission": resource(
            "Lambda::Permission",
            FunctionName=ref("Function"),
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
        ),
        "Api": resource("ApiGatewayV2::Api", Name="api", ProtocolType="HTTP"),
        "Stage": resource("ApiGatewayV2::Stage", ApiId=ref("Api"), StageName="$default", AutoDeploy=True),
        "Integration": resource(
            "ApiGatewayV2::Integration",
            ApiId=ref("Api"),
            IntegrationType="AWS_PROXY",
            IntegrationUri=uri,
            PayloadFormatVersion="2.0",
        ),
        "ApiRoute": resource(
            "ApiGatewayV2::Route",
            ApiId=ref("Api"),
            RouteKey="GET /v1/runs",
            AuthorizationType="AWS_IAM",
            Target={"Fn::Join": ["/", ["integrations", ref("Integration")]]},
        ),
    }


def storage() -> dict[str, Any]:
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    schema = [{"AttributeName": name, "KeyType": kind} for name, kind in keys]
    index = {
        "IndexName": "gsi1",
        "KeySchema": [{"AttributeName": "gsi1pk", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    table = {
        "KeySchema": schema,
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "gsi1pk")
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [index],
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
    }
    return {
        "Table": resource("DynamoDB::GlobalTable", **table, Replicas=[{"Region": REGION}]),
        "Bucket": resource("S3::Bucket", VersioningConfiguration={"Status": "Enabled"}),
        "BucketPolicy": resource("S3::BucketPolicy", Bucket=ref("Bucket"), PolicyDocument=ALLOW),
        "Parameter": resource("SSM::Parameter", Name="/roslin/version", Type="String", Value="VERSION"),
        "DeadLetters": resource("SQS::Queue"),
        "DeadLettersPolicy": resource("SQS::QueuePolicy", Queues=[ref("DeadLetters")], PolicyDocument=ALLOW),
        "Topic": resource("SNS::Topic"),
        "TopicPolicy": resource("SNS::TopicPolicy", Topics=[ref("Topic")], PolicyDocument=ALLOW),
        "Key": resource("KMS::Key", KeyPolicy=ALLOW),
        "KeyAlias": resource("KMS::Alias", AliasName="alias/roslin", TargetKeyId=ref("Key")),
        "Repository": resource("ECR::Repository"),
    }


def operations() -> dict[str, Any]:
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "any"}}]}
    budget = {"BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": {"Amount": 100, "Unit": "USD"}}
    pattern = {"source": ["aws.batch"], "detail": {"jobQueue": [att("Queue", "JobQueueArn")]}}
    targets = [{"Id": "function", "Arn": att("Function", "Arn")}]
    return {
        "Role": resource("IAM::Role", AssumeRolePolicyDocument=trust),
        "RolePolicy": resource("IAM::Policy", PolicyName="p", PolicyDocument=ALLOW, Roles=[ref("Role")]),
        "Managed": resource("IAM::ManagedPolicy", PolicyDocument=ALLOW),
        "Profile": resource("IAM::InstanceProfile", Roles=[ref("Role")]),
        "Rule": resource("Events::Rule", EventPattern=pattern, Targets=targets),
        "Schedule": resource(
            "Scheduler::Schedule",
            ScheduleExpression="rate(1 day)",
            State="DISABLED",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": att("Function", "Arn"), "RoleArn": att("Role", "Arn")},
        ),
        "Alarm": resource(
            "CloudWatch::Alarm",
            MetricName="Errors",
            Namespace="AWS/Lambda",
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        ),
        "Dashboard": resource("CloudWatch::Dashboard", DashboardBody='{"widgets": []}'),
        "Budget": resource("Budgets::Budget", Budget=budget),
    }


OUTPUTS = {
    "ApiId": ref("Api"),
    "Alias": ref("Alias"),
    "Version": ref("Version"),
    "Table": ref("Table"),
    "Bucket": ref("Bucket"),
    "Queue": ref("Queue"),
    "Definition": ref("Definition"),
    "JobLogs": ref("JobLogs"),
    "Group": att("Group", "GroupId"),
}


class Stack:
    NAME = "roslin-test"

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.client = emulator.client
        self.cloudformation = emulator.client("cloudformation")
        self.client("s3").create_bucket(Bucket="code")
        self.outputs: dict[str, str] = {}

    def template(self, version: str, extra: dict[str, Any]) -> str:
        key = f"{version}.zip"
        self.client("s3").put_object(
            Bucket="code", Key=key, Body=lambda_zip(API_CODE.replace("VERSION", version))
        )
        resources = {**network(), **jobs(version), **machine(), **api(), **storage(), **operations(), **extra}
        template = {
            "Resources": resources,
            "Outputs": {name: {"Value": value} for name, value in OUTPUTS.items()},
        }
        return json.dumps(template).replace("CODE_KEY", key).replace('"VERSION"', f'"{version}"')

    def deploy(self, version: str, extra: dict[str, Any] | None = None) -> None:
        request = {"StackName": self.NAME, "TemplateBody": self.template(version, extra or {})}
        if self.outputs:
            self.cloudformation.update_stack(**request)
            waiter = self.cloudformation.get_waiter("stack_update_complete")
        else:
            self.cloudformation.create_stack(**request)
            waiter = self.cloudformation.get_waiter("stack_create_complete")
        try:
            waiter.wait(StackName=self.NAME, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200})
        except WaiterError as error:
            raise AssertionError(self.failures()) from error
        [stack] = self.cloudformation.describe_stacks(StackName=self.NAME)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def status(self) -> str:
        return self.cloudformation.describe_stacks(StackName=self.NAME)["Stacks"][0]["StackStatus"]

    def failures(self) -> list[str]:
        events = self.cloudformation.describe_stack_events(StackName=self.NAME)["StackEvents"]
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in events
            if event["ResourceStatus"].endswith("FAILED")
        ]

    def observed(self) -> dict[str, Any]:
        """What each service says about its part of the stack."""
        group = self.client("ec2").describe_security_groups(GroupIds=[self.outputs["Group"]])[
            "SecurityGroups"
        ][0]
        alias = self.client("stepfunctions").describe_state_machine_alias(
            stateMachineAliasArn=self.outputs["Alias"]
        )
        definitions = self.client("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        resources = self.cloudformation.describe_stack_resources(StackName=self.NAME)["StackResources"]
        table = {"TableName": self.outputs["Table"]}
        return {
            "version": self.client("ssm").get_parameter(Name="/roslin/version")["Parameter"]["Value"],
            "resources": sorted(entry["PhysicalResourceId"] for entry in resources),
            "ingress": group["IpPermissions"],
            "routing": alias["routingConfiguration"],
            "definitions": definitions,
            "queues": self.client("batch").describe_job_queues()["jobQueues"],
            "compute": self.client("batch").describe_compute_environments()["computeEnvironments"],
            "rules": self.client("events").list_rules()["Rules"],
            "schedules": self.client("scheduler").list_schedules()["Schedules"],
            "roles": [role["RoleName"] for role in self.client("iam").list_roles()["Roles"]],
            "groups": [
                entry["logGroupName"] for entry in self.client("logs").describe_log_groups()["logGroups"]
            ],
            "ttl": self.client("dynamodb").describe_time_to_live(**table)["TimeToLiveDescription"],
            "stack": self.status(),
        }

    def call_api(self, query: str = "") -> Any:
        url = f"http://127.0.0.1:{self.emulator.port}/_aws/execute-api/{self.outputs['ApiId']}/v1/runs{query}"
        request = AWSRequest(method="GET", url=url)
        SigV4Auth(Credentials(ACCOUNT, "test"), "execute-api", REGION).add_auth(request)
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.headers))) as response:
            return json.load(response)

    def run(self, name: str) -> str:
        """Start an execution through the alias; its job must succeed."""
        states = self.client("stepfunctions")
        arn = states.start_execution(stateMachineArn=self.outputs["Alias"], name=name)["executionArn"]

        def ended() -> Any:
            execution = states.describe_execution(executionArn=arn)
            return execution if execution["status"] != "RUNNING" else None

        execution = wait_until(ended, what="end of the execution")
        assert execution["status"] == "SUCCEEDED", execution
        return arn

    def job_output(self, execution_arn: str) -> list[str]:
        output = json.loads(
            self.client("stepfunctions").describe_execution(executionArn=execution_arn)["output"]
        )
        events = self.client("logs").get_log_events(
            logGroupName=self.outputs["JobLogs"], logStreamName=output["stream"], startFromHead=True
        )["events"]
        return [event["message"] for event in events]
