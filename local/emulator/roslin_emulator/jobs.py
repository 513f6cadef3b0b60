"""The life of Batch jobs: queued, run as local processes, retried, ended."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ministack.services import batch

from roslin_emulator import job_events
from roslin_emulator.chaos.instance_metadata import InstanceMetadata
from roslin_emulator.chaos.jobs import JobChaos
from roslin_emulator.chaos.queues import BlockedQueues
from roslin_emulator.chaos.state import Chaos
from roslin_emulator.images import Images
from roslin_emulator.job_attempt import AttemptRunner, not_started
from roslin_emulator.job_request import now_ms
from roslin_emulator.job_retry import should_retry
from roslin_emulator.live_job import LiveJob, Stoppable
from roslin_emulator.node_group import NodeGroup
from roslin_emulator.node_request import node_job_id, node_records
from roslin_emulator.scope import Scope
from roslin_emulator.settings import Settings

logger = logging.getLogger("roslin.batch")

TERMINAL = ("SUCCEEDED", "FAILED")


class JobRunner:
    """FIFO over all queues, a fixed number at a time. Everything it holds is guarded by one lock."""

    def __init__(
        self,
        settings: Settings,
        images: Images,
        chaos: Chaos,
        metadata: InstanceMetadata,
        on_output: Callable[[], None],
    ) -> None:
        self._settings = settings
        job_chaos = JobChaos(chaos, metadata)
        self._attempts = AttemptRunner(settings, images, job_chaos, metadata, on_output)
        self._queues = BlockedQueues(job_chaos, self._give_up)
        self._lock = threading.RLock()
        self._live: dict[str, LiveJob] = {}
        self._runnable: deque[LiveJob] = deque()
        self._occupied = 0
        self._closing = False
        chaos.on_change.append(self._look_again)

    # What the API calls

    def submit(self, record: dict[str, Any]) -> LiveJob:
        job = LiveJob(record, Scope.current())
        with self._lock:
            batch._jobs[record["jobId"]] = record
            self._live[record["jobId"]] = job
            if "nodeProperties" in record:
                batch._jobs.update({node["jobId"]: node for node in node_records(record)})
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
            else:
                self._stop(job)

    def cancel(self, job_id: str, reason: str) -> None:
        """A job that has come as far as STARTING is left alone, as on AWS."""
        with self._lock:
            job = self._live.get(job_id)
            if job and job.record["status"] in ("SUBMITTED", "PENDING", "RUNNABLE"):
                job.record["isCancelled"] = True
                self._end(job, "FAILED", reason)

    def front_of_queue(self, queue: str) -> list[LiveJob]:
        """The RUNNABLE jobs of the queue (its ARN), the next one first."""
        with self._lock:
            waiting = [job for job in self._runnable if job.record["jobQueue"] == queue]
            for place, job in enumerate(waiting):
                if job.place != place:
                    job.place, job.at_place_since = place, now_ms()
            return waiting

    def counts(self) -> dict[str, int]:
        with self._lock:
            return {"running": self._occupied, "runnable": len(self._runnable)}

    def close(self) -> None:
        """Stop every process. The records stay as they are: the next start ends them, and tells everyone."""
        with self._lock:
            self._closing = True
            started = [job for job in self._live.values() if job.record["status"] in ("STARTING", "RUNNING")]
            for job in started:
                self._stop(job)
        for job in started:
            job.stopped.wait(self._settings.stop_grace_seconds + 5)

    # From state to state

    def _stop(self, job: LiveJob) -> None:
        job.stopping.set()
        if job.process:
            job.process.stop()

    def _move(self, job: LiveJob, status: str, reason: str | None = None) -> None:
        job.record["status"] = status
        if reason is not None:
            job.record["statusReason"] = reason
        job_events.emit(job.record)

    def _enqueue(self, job: LiveJob, reason: str | None = None, first: bool = False) -> None:
        (self._runnable.appendleft if first else self._runnable.append)(job)
        self.front_of_queue(job.record["jobQueue"])
        self._move(job, "RUNNABLE", reason)
        self._fill_slots()

    def _leave_queue(self, job: LiveJob) -> None:
        self._runnable.remove(job)
        job.place = None
        self._queues.release(job)
        self.front_of_queue(job.record["jobQueue"])

    def _fill_slots(self) -> None:
        passed: set[str] = set()
        for job in list(self._runnable):
            queue = job.record["jobQueue"]
            if queue in passed or self._closing:
                continue
            with job.scope.entered():
                # Whether AWS has a machine does not depend on how many jobs this one can run.
                if self._queues.is_blocked(job) or self._occupied >= self._settings.job_slots:
                    passed.add(queue)
                    continue
                self._leave_queue(job)
                self._occupied += 1
                self._move(job, "STARTING")
            threading.Thread(target=self._run, args=(job,), daemon=True).start()

    def _end(self, job: LiveJob, status: str, reason: str) -> None:
        record = job.record
        record["stoppedAt"] = now_ms()
        del self._live[record["jobId"]]
        self._end_nodes_never_started(record, reason)
        if job in self._runnable:
            self._leave_queue(job)
        self._move(job, status, reason)
        job.ended.set()
        for waiting in list(self._live.values()):
            if waiting.record["status"] == "PENDING":
                with waiting.scope.entered():
                    self._check_dependencies(waiting)
        # The next one of its queue may not be blocked.
        self._fill_slots()

    def _end_nodes_never_started(self, record: dict[str, Any], reason: str) -> None:
        for index in range(record.get("nodeProperties", {}).get("numNodes", 0)):
            node = batch._jobs[node_job_id(record["jobId"], index)]
            if node["status"] not in TERMINAL:
                node.update(status="FAILED", statusReason=reason, stoppedAt=record["stoppedAt"])
                job_events.emit(node)

    def _check_dependencies(self, job: LiveJob) -> None:
        statuses = [batch._jobs[dependency["jobId"]]["status"] for dependency in job.record["dependsOn"]]
        if "FAILED" in statuses:
            self._end(job, "FAILED", "Dependent Job failed")
        elif all(status == "SUCCEEDED" for status in statuses):
            self._enqueue(job)

    # No machine

    def _look_again(self) -> None:
        """The rules have changed: a job may get its machine now, or none any more."""
        with self._lock:
            for job in self._runnable:
                self._queues.release(job)
            self._fill_slots()

    def _give_up(self, job: LiveJob, reason: str) -> None:
        """The queue's own time limit for a job that gets no machine."""
        with self._lock, job.scope.entered():
            if job in self._runnable:
                job.record["isCancelled"] = True
                self._end(job, "FAILED", f"Canceled by JobStateTimeLimit action due to reason: {reason}")

    # An attempt

    def _run(self, job: LiveJob) -> None:
        def on_running(process: Stoppable) -> None:
            with self._lock:
                job.process = process
                job.record["startedAt"] = now_ms()
                self._move(job, "RUNNING")
                if job.stopping.is_set():
                    process.stop()

        with job.scope.entered():
            try:
                attempt = self._attempt(job, on_running)
            except Exception as error:
                # A slot lost to a bug of ours would stop every later job.
                logger.exception("job %s", job.record["jobId"])
                attempt = not_started(job, f"the embedded AWS failed: {error}")
            with self._lock:
                job.process = None
                self._occupied -= 1
                job.stopped.set()
                if self._closing:
                    return
                self._conclude(job, attempt)

    def _attempt(self, job: LiveJob, on_running: Callable[[Stoppable], None]) -> dict[str, Any]:
        if "nodeProperties" not in job.record:
            return self._attempts.run(job, on_running)
        group = NodeGroup(job, self._attempts, self._lock, self._move)
        with self._lock:
            job.process = group
            if job.stopping.is_set():
                group.stop()
        return group.run(on_running)

    def _conclude(self, job: LiveJob, attempt: dict[str, Any]) -> None:
        # A job of several nodes has no container of its own.
        record, container = job.record, job.record.get("container", {})
        attempt = {**attempt, "stoppedAt": now_ms()}
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
