"""The life of Batch jobs: queued, run as local processes, retried, ended."""

import logging
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import batch

from roslin_emulator import job_events, job_logs
from roslin_emulator.images import Image, Images, ImagesError
from roslin_emulator.job_request import now_ms
from roslin_emulator.job_retry import TIMEOUT_REASON, should_retry
from roslin_emulator.process import JobProcess
from roslin_emulator.scope import Scope
from roslin_emulator.settings import INHERITED, Settings, aws_environment

logger = logging.getLogger("roslin.batch")

TERMINAL = ("SUCCEEDED", "FAILED")
EXITED_REASON = "Essential container in task exited"
NOT_STARTED_REASON = "Task failed to start"


@dataclass
class LiveJob:
    """A job that has not ended, and what of it no API shows.

    `ended` is set when its record says so, `stopped` when its process is gone: not the same thing when the
    emulator stops, since that leaves the record alone.
    """

    record: dict[str, Any]
    scope: Scope
    process: JobProcess | None = None
    stop_reason: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)


class JobRunner:
    """FIFO over all queues, a fixed number at a time. Everything it holds is guarded by one lock."""

    def __init__(self, settings: Settings, images: Images, on_output: Callable[[], None]) -> None:
        self._settings = settings
        self._images = images
        self._on_output = on_output
        self._lock = threading.RLock()
        self._live: dict[str, LiveJob] = {}
        self._runnable: deque[LiveJob] = deque()
        self._occupied = 0
        self._closing = False

    # What the API calls

    def submit(self, record: dict[str, Any]) -> LiveJob:
        job = LiveJob(record, Scope.current())
        with self._lock:
            batch._jobs[record["jobId"]] = record
            self._live[record["jobId"]] = job
            job_events.emit(record)
            if record["dependsOn"]:
                self._move(job, "PENDING")
                self._check_dependencies(job)
            else:
                self._enqueue(job)
        return job

    def terminate(self, job_id: str, reason: str) -> None:
        with self._lock:
            job = self._live.get(job_id)
            if job is None:
                return
            job.record["isTerminated"] = True
            job.stop_reason = reason
            if job.record["status"] not in ("STARTING", "RUNNING"):
                self._end(job, "FAILED", reason)
            elif job.process:
                job.process.stop()

    def cancel(self, job_id: str, reason: str) -> None:
        """A job that has come as far as STARTING is left alone, as on AWS."""
        with self._lock:
            job = self._live.get(job_id)
            if job and job.record["status"] in ("SUBMITTED", "PENDING", "RUNNABLE"):
                job.record["isCancelled"] = True
                self._end(job, "FAILED", reason)

    def counts(self) -> dict[str, int]:
        with self._lock:
            return {"running": self._occupied, "runnable": len(self._runnable)}

    def close(self) -> None:
        """Stop every process. The records stay as they are: the next start ends them, and tells everyone."""
        with self._lock:
            self._closing = True
            started = [job for job in self._live.values() if job.process]
            for job in started:
                assert job.process
                job.process.stop()
        for job in started:
            job.stopped.wait(self._settings.stop_grace_seconds + 5)

    # From state to state

    def _move(self, job: LiveJob, status: str, reason: str | None = None) -> None:
        job.record["status"] = status
        if reason is not None:
            job.record["statusReason"] = reason
        job_events.emit(job.record)

    def _enqueue(self, job: LiveJob, reason: str | None = None, first: bool = False) -> None:
        (self._runnable.appendleft if first else self._runnable.append)(job)
        self._move(job, "RUNNABLE", reason)
        self._fill_slots()

    def _fill_slots(self) -> None:
        while self._runnable and self._occupied < self._settings.job_slots and not self._closing:
            job = self._runnable.popleft()
            self._occupied += 1
            self._move(job, "STARTING")
            threading.Thread(target=self._run, args=(job,), daemon=True).start()

    def _end(self, job: LiveJob, status: str, reason: str) -> None:
        record = job.record
        record["stoppedAt"] = now_ms()
        del self._live[record["jobId"]]
        if job in self._runnable:
            self._runnable.remove(job)
        self._move(job, status, reason)
        job.ended.set()
        for waiting in list(self._live.values()):
            if waiting.record["status"] == "PENDING":
                with waiting.scope.entered():
                    self._check_dependencies(waiting)

    def _check_dependencies(self, job: LiveJob) -> None:
        statuses = [batch._jobs[dependency["jobId"]]["status"] for dependency in job.record["dependsOn"]]
        if "FAILED" in statuses:
            self._end(job, "FAILED", "Dependent Job failed")
        elif all(status == "SUCCEEDED" for status in statuses):
            self._enqueue(job)

    # An attempt

    def _run(self, job: LiveJob) -> None:
        with job.scope.entered():
            try:
                attempt = self._attempt(job)
            except Exception as error:
                # A slot lost to a bug of ours would stop every later job.
                logger.exception("job %s", job.record["jobId"])
                attempt = self._not_started(job, f"the embedded AWS failed: {error}")
            with self._lock:
                self._occupied -= 1
                job.stopped.set()
                if self._closing:
                    return
                self._conclude(job, attempt)
                self._fill_slots()

    def _conclude(self, job: LiveJob, attempt: dict[str, Any]) -> None:
        record, container = job.record, job.record["container"]
        attempt["stoppedAt"] = now_ms()
        record["attempts"].append(attempt)
        outcome = attempt["container"]
        container.update({key: outcome[key] for key in ("exitCode", "reason") if key in outcome})
        if outcome.get("exitCode") == 0 and job.stop_reason is None:
            self._end(job, "SUCCEEDED", attempt["statusReason"])
        elif job.stop_reason is not None:
            attempt["statusReason"] = job.stop_reason
            self._end(job, "FAILED", job.stop_reason)
        elif should_retry(record["retryStrategy"], record["attempts"]):
            for key in ("exitCode", "reason", "logStreamName", "taskArn"):
                container.pop(key, None)
            self._enqueue(job, attempt["statusReason"], first=True)
        else:
            self._end(job, "FAILED", attempt["statusReason"])

    def _not_started(self, job: LiveJob, reason: str) -> dict[str, Any]:
        container = {"reason": reason, "taskArn": job.record["container"].get("taskArn", "")}
        return {"container": container, "startedAt": now_ms(), "statusReason": NOT_STARTED_REASON}

    def _attempt(self, job: LiveJob) -> dict[str, Any]:
        record, container = job.record, job.record["container"]
        task_id = new_uuid().replace("-", "")
        queue = record["jobQueue"].rsplit("/", 1)[-1]
        environment_name = _compute_environment(queue)
        container["taskArn"] = (
            f"arn:aws:ecs:{job.scope.region}:{job.scope.account}:task/{environment_name}/{task_id}"
        )
        try:
            image = self._images.find(container["image"])
        except ImagesError as error:
            return self._not_started(job, f"CannotPullContainerError: {error}")
        if image is None:
            reason = f"CannotPullContainerError: no entry of the images file matches {container['image']}"
            return self._not_started(job, reason)
        env = self._environment(record, image, queue, environment_name)
        argv = image.argv(container["command"])
        if not argv or not os.path.isdir(image.cwd) or shutil.which(argv[0], path=env.get("PATH")) is None:
            reason = f"CannotStartContainerError: cannot run {argv} in {image.cwd}"
            return self._not_started(job, reason)
        definition = record["jobDefinition"].rsplit("/", 1)[-1].partition(":")[0]
        group, stream = job_logs.group_of(container), f"{definition}/default/{task_id}"
        job_logs.open_stream(group, stream)
        container["logStreamName"] = stream
        return self._run_process(job, argv, image.cwd, env, group, stream)

    def _run_process(
        self, job: LiveJob, argv: list[str], cwd: str, env: dict[str, str], group: str, stream: str
    ) -> dict[str, Any]:
        record = job.record

        def put_lines(lines: list[str]) -> None:
            with job.scope.entered():
                job_logs.put_lines(group, stream, lines)
            self._on_output()

        with self._lock:
            process = JobProcess(argv, cwd, env, self._settings.stop_grace_seconds, put_lines)
            job.process = process
            started_at = now_ms()
            record["startedAt"] = started_at
            self._move(job, "RUNNING")
            if job.stop_reason is not None or self._closing:
                process.stop()
        timed_out = threading.Event()

        def time_out() -> None:
            timed_out.set()
            process.stop()

        limit_seconds = (record.get("timeout") or {}).get("attemptDurationSeconds")
        timer = threading.Timer(float(limit_seconds), time_out) if limit_seconds else None
        if timer:
            timer.daemon = True
            timer.start()
        exit_code = process.wait()
        if timer:
            timer.cancel()
        with self._lock:
            job.process = None
        return {
            "container": {
                "exitCode": exit_code,
                "logStreamName": stream,
                "taskArn": record["container"]["taskArn"],
                "networkInterfaces": [],
            },
            "startedAt": started_at,
            "statusReason": TIMEOUT_REASON if timed_out.is_set() else EXITED_REASON,
        }

    def _environment(
        self, record: dict[str, Any], image: Image, queue: str, environment_name: str
    ) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            **image.env,
            **aws_environment(self._settings),
            "PYTHONUNBUFFERED": "1",
            **{entry["name"]: entry.get("value", "") for entry in record["container"]["environment"]},
            "AWS_BATCH_JOB_ID": record["jobId"],
            "AWS_BATCH_JOB_ATTEMPT": str(len(record["attempts"]) + 1),
            "AWS_BATCH_JQ_NAME": queue,
            "AWS_BATCH_CE_NAME": environment_name,
        }


def _compute_environment(queue: str) -> str:
    order = batch._job_queues[queue].get("computeEnvironmentOrder") if queue in batch._job_queues else None
    first = min(order or [], key=lambda entry: int(entry.get("order", 0)), default=None)
    return first["computeEnvironment"].rsplit("/", 1)[-1] if first else "local"
