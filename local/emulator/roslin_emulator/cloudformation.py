"""CloudFormation resource types that the template needs and MiniStack lacks."""

import logging
from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import batch, ec2
from ministack.services import stepfunctions as sfn
from ministack.services.cloudformation import provisioners

from roslin_emulator import batch_api
from roslin_emulator.aws_case import camel
from roslin_emulator.job_request import find_queue
from roslin_emulator.workarounds import upstream_answer

logger = logging.getLogger("roslin.cloudformation")

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]


def _name(logical_id: str, properties: Properties, stack: str, key: str) -> str:
    return properties.get(key) or provisioners._physical_name(stack, logical_id)


def _strings(value: Any) -> Any:
    """Template scalars may arrive as strings; Batch's API has numbers and booleans in these places."""
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


NUMBERS = ("attempts", "attemptDurationSeconds", "priority", "order", "propagateTags", "schedulingPriority")


def _request(properties: Properties) -> Properties:
    """A Batch resource's properties as the request of its API."""

    def typed(value: Any) -> Any:
        if isinstance(value, list):
            return [typed(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {key: _strings(item) if key in NUMBERS else typed(item) for key, item in value.items()}

    return typed(camel(properties))


# Batch


def _create_compute_environment(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    name = _name(logical_id, properties, stack, "ComputeEnvironmentName")
    request = {**_request(properties), "computeEnvironmentName": name}
    # A template may spell these in any case.
    request["type"] = str(request.get("type", "MANAGED")).upper()
    arn = upstream_answer(batch._create_compute_environment(request))["computeEnvironmentArn"]
    return arn, {"ComputeEnvironmentArn": arn}


def _update_compute_environment(arn: str, _: Properties, new: Properties, __: str) -> Provisioned:
    upstream_answer(batch._update_compute_environment({**_request(new), "computeEnvironment": arn}))
    return arn, {"ComputeEnvironmentArn": arn}


def _delete_compute_environment(arn: str, _: Properties) -> None:
    batch_api.delete_compute_environment({"computeEnvironment": arn})


def _create_queue(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    request = {**_request(properties), "jobQueueName": _name(logical_id, properties, stack, "JobQueueName")}
    arn = upstream_answer(batch._create_job_queue(request))["jobQueueArn"]
    # Upstream keeps only some of the properties.
    batch_api.update_job_queue({**request, "jobQueue": arn})
    return arn, {"JobQueueArn": arn}


def _update_queue(arn: str, _: Properties, new: Properties, __: str) -> Provisioned:
    find_queue(arn)
    batch_api.update_job_queue({**_request(new), "jobQueue": arn})
    return arn, {"JobQueueArn": arn}


def _delete_queue(arn: str, _: Properties) -> None:
    batch_api.delete_job_queue({"jobQueue": arn})


def _register(name: str, properties: Properties) -> Provisioned:
    request = {**_request(properties), "jobDefinitionName": name}
    arn = batch_api.register_job_definition(request)["jobDefinitionArn"]
    return arn, {"JobDefinitionArn": arn}


def _create_definition(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    return _register(_name(logical_id, properties, stack, "JobDefinitionName"), properties)


def _update_definition(arn: str, _: Properties, new: Properties, __: str) -> Provisioned:
    """A change is a new revision; the stack's clean-up deregisters the one before."""
    return _register(arn.split("job-definition/")[1].partition(":")[0], new)


def _delete_definition(arn: str, properties: Properties) -> None:
    # CloudFormation asks this at the end of an update; executions that run may still name the old revision.
    if (properties.get("ResourceRetentionPolicy") or {}).get("SkipDeregisterOnUpdate") in (True, "true"):
        return
    name, _, revision = arn.split("job-definition/")[1].partition(":")
    for definition in batch._job_definitions.get(name) or []:
        if str(definition["revision"]) == revision:
            definition["status"] = "INACTIVE"


# Rules of security groups


def _security_group_rule(permissions: str) -> dict[str, Any]:
    def create(_: str, properties: Properties, __: str) -> Provisioned:
        group = ec2._security_groups.get(properties["GroupId"])
        if group is None:
            raise ValueError(f"security group {properties['GroupId']} does not exist")
        group[permissions].extend(provisioners._ec2_sg_permissions([properties]))
        rule_id = f"sgr-{new_uuid().replace('-', '')[:17]}"
        return rule_id, {"Id": rule_id}

    def delete(_: str, properties: Properties) -> None:
        if group := ec2._security_groups.get(properties.get("GroupId")):
            gone = provisioners._ec2_sg_permissions([properties])
            group[permissions] = [entry for entry in group[permissions] if entry not in gone]

    def update(rule_id: str, old: Properties, new: Properties, stack: str) -> Provisioned:
        delete(rule_id, old)
        return create("", new, stack)

    return {"create": create, "update": update, "delete": delete}


# Versions and aliases of state machines


def _create_version(_: str, properties: Properties, __: str) -> Provisioned:
    request = {
        "stateMachineArn": properties["StateMachineArn"],
        "description": properties.get("Description", ""),
    }
    if revision := properties.get("StateMachineRevisionId"):
        request["revisionId"] = revision
    arn = upstream_answer(sfn._publish_state_machine_version(request))["stateMachineVersionArn"]
    return arn, {"Arn": arn}


def _delete_version(arn: str, _: Properties) -> None:
    upstream_answer(sfn._delete_state_machine_version({"stateMachineVersionArn": arn}))


def _routing(properties: Properties) -> list[dict[str, Any]]:
    """A DeploymentPreference shifts traffic over time; here all of it moves at once."""
    if preference := properties.get("DeploymentPreference"):
        return [{"stateMachineVersionArn": preference["StateMachineVersionArn"], "weight": 100}]
    return [
        {"stateMachineVersionArn": route["StateMachineVersionArn"], "weight": int(route["Weight"])}
        for route in properties["RoutingConfiguration"]
    ]


def _create_alias(logical_id: str, properties: Properties, stack: str) -> Provisioned:
    request = {
        "name": _name(logical_id, properties, stack, "Name"),
        "description": properties.get("Description", ""),
        "routingConfiguration": _routing(properties),
    }
    arn = upstream_answer(sfn._create_state_machine_alias(request))["stateMachineAliasArn"]
    return arn, {"Arn": arn}


def _update_alias(arn: str, _: Properties, new: Properties, __: str) -> Provisioned:
    request = {
        "stateMachineAliasArn": arn,
        "description": new.get("Description", ""),
        "routingConfiguration": _routing(new),
    }
    upstream_answer(sfn._update_state_machine_alias(request))
    return arn, {"Arn": arn}


def _delete_alias(arn: str, _: Properties) -> None:
    sfn._delete_state_machine_alias({"stateMachineAliasArn": arn})


HANDLERS: dict[str, dict[str, Any]] = {
    "AWS::Batch::ComputeEnvironment": {
        "create": _create_compute_environment,
        "update": _update_compute_environment,
        "delete": _delete_compute_environment,
    },
    "AWS::Batch::JobQueue": {"create": _create_queue, "update": _update_queue, "delete": _delete_queue},
    "AWS::Batch::JobDefinition": {
        "create": _create_definition,
        "update": _update_definition,
        "delete": _delete_definition,
    },
    "AWS::EC2::SecurityGroupIngress": _security_group_rule("IpPermissions"),
    "AWS::EC2::SecurityGroupEgress": _security_group_rule("IpPermissionsEgress"),
    "AWS::StepFunctions::StateMachineVersion": {"create": _create_version, "delete": _delete_version},
    "AWS::StepFunctions::StateMachineAlias": {
        "create": _create_alias,
        "update": _update_alias,
        "delete": _delete_alias,
    },
}

# Properties whose change makes a new resource.
REPLACING = {
    "AWS::Batch::ComputeEnvironment": ("ComputeEnvironmentName", "Type"),
    "AWS::Batch::JobQueue": ("JobQueueName",),
    "AWS::Batch::JobDefinition": ("JobDefinitionName",),
    "AWS::StepFunctions::StateMachineVersion": ("StateMachineArn", "StateMachineRevisionId", "Description"),
    "AWS::StepFunctions::StateMachineAlias": ("Name",),
}

# Recorded in the stack and no more: the prefix of the physical id, and the attributes a template may read.
RECORDED: dict[str, tuple[str, tuple[str, ...]]] = {
    "AWS::Batch::SchedulingPolicy": ("scheduling-policy", ("Arn",)),
    "AWS::Budgets::Budget": ("budget", ()),
    "AWS::CloudWatch::CompositeAlarm": ("composite-alarm", ("Arn",)),
    "AWS::EC2::EIP": ("eipalloc", ("AllocationId", "PublicIp")),
    "AWS::EC2::FlowLog": ("fl", ("Id",)),
    "AWS::EC2::NatGateway": ("nat", ("NatGatewayId",)),
    "AWS::EC2::PlacementGroup": ("pg", ("GroupName",)),
    "AWS::Logs::QueryDefinition": ("query", ("QueryDefinitionId",)),
}


def _recorded(kind: str, prefix: str, attributes: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    def create(logical_id: str, _: Properties, __: str) -> Provisioned:
        physical_id = f"{prefix}-{new_uuid().replace('-', '')[:17]}"
        logger.warning("%s %s is recorded, not emulated", kind, logical_id)
        return physical_id, {name: physical_id for name in attributes}

    def update(physical_id: str, _: Properties, __: Properties, ___: str) -> Provisioned:
        return physical_id, {name: physical_id for name in attributes}

    return {"create": create, "update": update, "delete": lambda *_: None}


def install() -> None:
    provisioners._RESOURCE_HANDLERS.update(HANDLERS)
    provisioners._REPLACING_PROPERTIES.update(REPLACING)
    for kind, (prefix, attributes) in RECORDED.items():
        provisioners._RESOURCE_HANDLERS.setdefault(kind, _recorded(kind, prefix, attributes))
