"""Requests of functions and jobs are held against the policies of their roles, as IAM does.

MiniStack can do that for every request (its AUTH), with signatures, which it cannot check of bodies that we
put into files. So only what carries the keys of a function's or a job's role is held, unverified; everybody
else has the account's rights.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

from ministack import app as ministack_app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.router import extract_access_key_id
from ministack.services import batch, lambda_svc, sts, tagging

from roslin_emulator.workarounds import replace

Json = dict[str, Any]
Handler = Callable[..., Awaitable[Any]]

_is_held: ContextVar[bool] = ContextVar("is_held", default=False)
_role_keys: set[str] = set()


class _WhileHeld:
    """In the place of MiniStack's AUTH: true until a request that is held comes to its service."""

    def __bool__(self) -> bool:
        return _is_held.get()


def install() -> None:
    replace(ministack_app, "AUTH", lambda _: _WhileHeld())
    replace(iam_evaluator, "authenticate", lambda _: lambda access_key_id, account_id: None)
    # Our endpoint stands for AWS's, which policies may want to be reached by TLS.
    replace(ministack_app, "pin_request_origin", lambda pin: lambda address, _: pin(address, True))
    for module in (lambda_runtime, lambda_svc):
        replace(module, "execution_credentials", lambda _: _function_keys)
    replace(iam_actions, "extract_resource_arn", _with_more_resources)
    tagging._RESOURCE_TAG_COLLECTORS["batch"] = _tagged_jobs
    handlers = ministack_app.SERVICE_HANDLERS
    handlers.update({service: _let_go(handler) for service, handler in handlers.items()})


def role_keys(role_arn: str, session: str) -> dict[str, str]:
    """The environment of a process that acts as the role."""
    account, role = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    arn = f"arn:aws:sts::{account}:assumed-role/{role}/{session}"
    digest = hashlib.sha256(arn.encode()).hexdigest().upper()
    key, secret, token = f"ASIA{digest[:16]}", digest[16:40], digest[40:]
    _role_keys.add(key)
    sts.register_session(
        key, {"Arn": arn, "UserId": f"{role}:{session}", "SecretAccessKey": secret, "SessionToken": token}
    )
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


def _function_keys(function: Json) -> dict[str, str]:
    return role_keys(function["Role"], function["FunctionName"])


def hold(scope: Json, headers: dict[str, str]) -> None:
    """To be called in a request's context, before MiniStack answers it."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    _is_held.set(extract_access_key_id(headers, query) in _role_keys)


def _let_go(handler: Handler) -> Handler:
    """What follows from a request, such as an event's way to its targets, its role does not do."""

    async def handle(*request: Any) -> Any:
        _is_held.set(False)
        return await handler(*request)

    return handle


def _with_more_resources(original: Any) -> Any:
    """MiniStack knows no resources of Batch, and of Scheduler's groups only the default one."""

    def extract(
        service: str, method: str, path: str, headers: Json, body: bytes, query: Json, *place: str
    ) -> str:
        arn = original(service, method, path, headers, body, query, *place)
        region, account = place
        if service == "batch":
            return _batch_resource(path, json.loads(body or b"{}"), f"arn:aws:batch:{region}:{account}")
        if service == "scheduler" and (group := _schedule_group(query, body)):
            return arn.replace(":schedule/default/", f":schedule/{group}/")
        return arn

    return extract


def _batch_resource(path: str, request: Json, prefix: str) -> str:
    if "jobId" in request:
        return f"{prefix}:job/{request['jobId']}"
    if path.endswith("/getjobqueuesnapshot"):
        return f"{prefix}:job-queue/{request['jobQueue'].rsplit('/', 1)[-1]}"
    return "*"


def _schedule_group(query: Json, body: bytes) -> str | None:
    named = query.get("groupName")
    return (named[0] if isinstance(named, list) else named) or json.loads(body or b"{}").get("GroupName")


def _tagged_jobs() -> Iterator[tuple[str, list[dict[str, str]]]]:
    for job in batch._jobs.values():
        tags = job.get("tags") or {}
        yield job["jobArn"], [{"Key": key, "Value": value} for key, value in tags.items()]
