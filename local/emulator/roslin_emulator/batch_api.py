"""Batch's API where MiniStack has none, or one that does not run anything."""

import fnmatch
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import batch

from roslin_emulator import workarounds
from roslin_emulator.job_request import BatchError, build_job, find_definition, find_queue, now_ms
from roslin_emulator.jobs import JobRunner
from roslin_emulator.node_request import is_node, node_job_id, owner_job_id

Request = dict[str, Any]
DEFINITION_FIELDS = (
    "parameters",
    "retryStrategy",
    "timeout",
    "platformCapabilities",
    "propagateTags",
    "schedulingPriority",
    "nodeProperties",
)
QUEUE_FIELDS = (
    "state",
    "priority",
    "computeEnvironmentOrder",
    "schedulingPolicyArn",
    "jobStateTimeLimitActions",
)
SNAPSHOT_JOBS = 100
SUMMARY_FIELDS = (
    "jobArn",
    "jobId",
    "jobName",
    "jobDefinition",
    "status",
    "statusReason",
    "createdAt",
    "startedAt",
    "stoppedAt",
)


def _page(items: list[Any], request: Request, key: str) -> dict[str, Any]:
    start, size = int(request.get("nextToken") or 0), int(request.get("maxResults") or 100)
    page: dict[str, Any] = {key: items[start : start + size]}
    if start + size < len(items):
        page["nextToken"] = str(start + size)
    return page


def _required(request: Request, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise BatchError(f"{name} is required")
    return value


def register_job_definition(request: Request) -> Request:
    answer = workarounds.upstream_answer(batch._register_job_definition(request))
    definition = batch._job_definitions[answer["jobDefinitionName"]][-1]
    definition.update({name: request[name] for name in DEFINITION_FIELDS if name in request})
    if "containerProperties" not in request:
        del definition["containerProperties"]
    return answer


def deregister_job_definition(request: Request) -> Request:
    find_definition(_required(request, "jobDefinition"))["status"] = "INACTIVE"
    return {}


def describe_job_definitions(request: Request) -> Request:
    wanted = request.get("jobDefinitions") or []
    names = [request["jobDefinitionName"]] if request.get("jobDefinitionName") else None
    found = [
        definition
        for revisions in batch._job_definitions.values()
        for definition in revisions
        if (names is None or definition["jobDefinitionName"] in names)
        and (not request.get("status") or definition["status"] == request["status"])
        and (
            not wanted
            or definition["jobDefinitionArn"] in wanted
            or f"{definition['jobDefinitionName']}:{definition['revision']}" in wanted
        )
    ]
    return _page(found, request, "jobDefinitions")


def update_job_queue(request: Request) -> Request:
    queue = find_queue(_required(request, "jobQueue"))
    for name in (
        "state",
        "priority",
        "computeEnvironmentOrder",
        "schedulingPolicyArn",
        "jobStateTimeLimitActions",
    ):
        if name in request:
            queue[name] = request[name]
    return {"jobQueueName": queue["jobQueueName"], "jobQueueArn": queue["jobQueueArn"]}


def delete_job_queue(request: Request) -> Request:
    batch._job_queues.pop(_required(request, "jobQueue").split("job-queue/")[-1], None)
    return {}


def delete_compute_environment(request: Request) -> Request:
    batch._compute_envs.pop(_required(request, "computeEnvironment").split("compute-environment/")[-1], None)
    return {}


def _summary(job: dict[str, Any]) -> dict[str, Any]:
    summary = {name: job[name] for name in SUMMARY_FIELDS if name in job}
    owner = batch._jobs[owner_job_id(job["jobId"])]
    if nodes := owner.get("nodeProperties"):
        summary["nodeProperties"] = {**job.get("nodeDetails", {}), "numNodes": nodes["numNodes"]}
    own = job.get("container", {})
    container = {name: own[name] for name in ("exitCode", "reason") if name in own}
    return {**summary, "container": container} if container else summary


def _passes_filter(job: dict[str, Any], name: str, values: list[str]) -> bool:
    definition = job["jobDefinition"].rsplit("/", 1)[-1]
    if name == "JOB_NAME":
        return any(fnmatch.fnmatch(job["jobName"], value) for value in values)
    if name == "JOB_DEFINITION":
        return any(fnmatch.fnmatch(definition, value) for value in values)
    if name == "BEFORE_CREATED_AT":
        return job["createdAt"] < int(values[0])
    if name == "AFTER_CREATED_AT":
        return job["createdAt"] > int(values[0])
    raise BatchError(f"filter {name!r} is none that ListJobs knows")


def list_jobs(request: Request) -> Request:
    if job_id := request.get("multiNodeJobId"):
        status = request.get("jobStatus") or "RUNNING"
        nodes = [job for job in batch._jobs.values() if job["jobId"].startswith(node_job_id(job_id, ""))]
        return _page(
            [_summary(node) for node in nodes if node["status"] == status], request, "jobSummaryList"
        )
    queue = find_queue(_required(request, "jobQueue"))["jobQueueArn"]
    filters = request.get("filters") or []
    # As on AWS: running jobs only, unless a status is asked for; a filter takes no notice of the status.
    status = None if filters else request.get("jobStatus") or "RUNNING"
    found = [
        _summary(job)
        for job in batch._jobs.values()
        if job["jobQueue"] == queue
        and not is_node(job["jobId"])
        and status in (None, job["status"])
        and all(_passes_filter(job, entry["name"], entry["values"]) for entry in filters)
    ]
    found.sort(key=lambda job: -job["createdAt"])
    return _page(found, request, "jobSummaryList")


def install(runner: JobRunner) -> None:
    def submit_job(request: Request) -> Request:
        record = build_job(request)
        runner.submit(record)
        return {"jobArn": record["jobArn"], "jobName": record["jobName"], "jobId": record["jobId"]}

    def terminate_job(request: Request) -> Request:
        runner.terminate(_required(request, "jobId"), _required(request, "reason"))
        return {}

    def cancel_job(request: Request) -> Request:
        runner.cancel(_required(request, "jobId"), _required(request, "reason"))
        return {}

    def get_job_queue_snapshot(request: Request) -> Request:
        queue = find_queue(_required(request, "jobQueue"))["jobQueueArn"]
        jobs = [
            {"jobArn": job.record["jobArn"], "earliestTimeAtPosition": job.at_place_since}
            for job in runner.front_of_queue(queue)[:SNAPSHOT_JOBS]
        ]
        return {"frontOfQueue": {"jobs": jobs, "lastUpdatedAt": now_ms()}}

    def route(operation: Callable[[Request], Request]) -> Callable[[Request], Any]:
        def answer(request: Request) -> Any:
            try:
                return batch._json(200, operation(request))
            except BatchError as error:
                return error_response_json("ClientException", str(error), 400)

        return answer

    for operation in (
        register_job_definition,
        deregister_job_definition,
        describe_job_definitions,
        update_job_queue,
        delete_job_queue,
        delete_compute_environment,
        list_jobs,
        submit_job,
        terminate_job,
        cancel_job,
        get_job_queue_snapshot,
    ):
        batch._DISPATCH[f"/v1/{operation.__name__.replace('_', '')}"] = route(operation)
