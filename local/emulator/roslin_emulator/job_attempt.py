"""One attempt of a job: its image, its environment, its process, and what Batch says of it afterwards."""

import os
import shutil
import threading
from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid

from roslin_emulator import job_logs
from roslin_emulator.chaos.instance_metadata import PATH as METADATA_PATH
from roslin_emulator.chaos.instance_metadata import InstanceMetadata
from roslin_emulator.chaos.jobs import Fate, JobChaos, compute_environment, facts
from roslin_emulator.images import Image, Images, ImagesError
from roslin_emulator.job_retry import TIMEOUT_REASON
from roslin_emulator.job_secrets import SecretsError, secret_values
from roslin_emulator.live_job import LiveJob
from roslin_emulator.process import JobProcess
from roslin_emulator.role_rights import role_keys
from roslin_emulator.settings import INHERITED, Settings, aws_environment

EXITED_REASON = "Essential container in task exited"
NOT_STARTED_REASON = "Task failed to start"

Json = dict[str, Any]


def not_started(job: LiveJob, reason: str) -> Json:
    """As in Batch: `startedAt` is when an attempt was RUNNING, and this one never was."""
    container = {"reason": reason, "taskArn": job.record.get("container", {}).get("taskArn", "")}
    return {"container": container, "statusReason": NOT_STARTED_REASON}


class AttemptRunner:
    def __init__(
        self,
        settings: Settings,
        images: Images,
        chaos: JobChaos,
        metadata: InstanceMetadata,
        on_output: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._images = images
        self._chaos = chaos
        self._metadata = metadata
        self._on_output = on_output

    def run(self, job: LiveJob, on_running: Callable[[JobProcess], None]) -> Json:
        """Returns at the end of the attempt, with what DescribeJobs shows of it."""
        record, container = job.record, job.record["container"]
        task_id = new_uuid().replace("-", "")
        queue = record["jobQueue"].rsplit("/", 1)[-1]
        environment = compute_environment(queue)
        environment_name = environment["computeEnvironmentName"] if environment else "local"
        container["taskArn"] = (
            f"arn:aws:ecs:{job.scope.region}:{job.scope.account}:task/{environment_name}/{task_id}"
        )
        if job.stopping.wait(self._chaos.start_seconds(record)):
            return not_started(job, "Task was stopped before it started")
        try:
            image = self._images.find(container["image"])
        except ImagesError as error:
            return not_started(job, f"CannotPullContainerError: {error}")
        if image is None:
            reason = f"CannotPullContainerError: no entry of the images file matches {container['image']}"
            return not_started(job, reason)
        if reason := self._chaos.pull_error(record):
            return not_started(job, reason)
        try:
            secrets = secret_values(container)
        except SecretsError as error:
            return not_started(job, str(error))
        env = {**self._environment(record, image, queue, environment_name), **job.environment, **secrets}
        argv = image.argv(container["command"])
        if not argv or not os.path.isdir(image.cwd) or shutil.which(argv[0], path=env.get("PATH")) is None:
            return not_started(job, f"CannotStartContainerError: cannot run {argv} in {image.cwd}")
        definition = record["jobDefinition"].rsplit("/", 1)[-1].partition(":")[0]
        group, stream = job_logs.group_of(container), f"{definition}/default/{task_id}"
        job_logs.open_stream(group, stream)
        container["logStreamName"] = stream

        def put_lines(lines: list[str]) -> None:
            with job.scope.entered():
                job_logs.put_lines(group, stream, lines)
            self._on_output()

        def start(more: dict[str, str]) -> JobProcess:
            return JobProcess(argv, image.cwd, {**env, **more}, self._settings.stop_grace_seconds, put_lines)

        fate = self._chaos.fate(record, task_id)
        if fate is None:
            return self._run_process(job, start({}), on_running, None)
        self._metadata.add(fate.instance_id, facts(record), job.scope.region)
        try:
            return self._run_process(job, start(self._metadata_environment(fate)), on_running, fate)
        finally:
            self._metadata.remove(fate.instance_id)

    def _run_process(
        self,
        job: LiveJob,
        process: JobProcess,
        on_running: Callable[[JobProcess], None],
        fate: Fate | None,
    ) -> Json:
        record = job.record
        on_running(process)
        if fate:
            fate.begin(process)
        timed_out = threading.Event()

        def time_out() -> None:
            timed_out.set()
            process.stop()

        limit_seconds = self._chaos.timeout_seconds(record)
        timer = threading.Timer(limit_seconds, time_out) if limit_seconds is not None else None
        if timer:
            timer.daemon = True
            timer.start()
        exit_code = process.wait()
        if timer:
            timer.cancel()
        attempt = {
            "container": {
                "exitCode": exit_code,
                "logStreamName": record["container"]["logStreamName"],
                "taskArn": record["container"]["taskArn"],
                "networkInterfaces": [],
            },
            "startedAt": record["startedAt"],
            "statusReason": TIMEOUT_REASON if timed_out.is_set() else EXITED_REASON,
        }
        if fate:
            fate.end(attempt)
        return attempt

    def _environment(self, record: Json, image: Image, queue: str, environment_name: str) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            **image.env,
            **aws_environment(self._settings),
            **self._keys(record),
            "PYTHONUNBUFFERED": "1",
            **_without_mounts(record["container"]),
            "AWS_BATCH_JOB_ID": record["jobId"],
            "AWS_BATCH_JOB_ATTEMPT": str(len(record["attempts"]) + 1),
            "AWS_BATCH_JQ_NAME": queue,
            "AWS_BATCH_CE_NAME": environment_name,
        }

    def _keys(self, record: Json) -> dict[str, str]:
        """Of the job's role; without one it has the account's."""
        role_arn = record["container"].get("jobRoleArn")
        return role_keys(role_arn, record["jobId"]) if role_arn else {}

    def _metadata_environment(self, fate: Fate) -> dict[str, str]:
        if not fate.gives_notice:
            return {}
        endpoint = f"{self._settings.endpoint}{METADATA_PATH}{fate.instance_id}"
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint, "AWS_EC2_METADATA_DISABLED": "false"}


def _without_mounts(container: Json) -> dict[str, str]:
    """A container's variables, but for those that point to a volume: a process has none mounted."""
    mounted = {mount.get("containerPath") for mount in container.get("mountPoints") or []}
    variables = {entry["name"]: entry.get("value", "") for entry in container["environment"]}
    return {name: value for name, value in variables.items() if value not in mounted}
