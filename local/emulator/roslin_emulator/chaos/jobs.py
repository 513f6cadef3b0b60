"""What chaos does to Batch jobs: they get no machine, start late or not at all, or lose what they run on."""

import json
import threading
import time
from typing import Any

from ministack.services import batch

from roslin_emulator.chaos.instance_metadata import InstanceMetadata
from roslin_emulator.chaos.rules import (
    JobFacts,
    KillJob,
    NoCapacity,
    NoImage,
    ReclaimHost,
    SlowStart,
    TimeOut,
)
from roslin_emulator.chaos.state import Chaos
from roslin_emulator.process import JobProcess

Json = dict[str, Any]

PULL_ERROR = (
    "CannotPullContainerError: Error response from daemon: manifest for {image} not found: "
    "manifest unknown: Requested image not found"
)
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
KILLED = 137


def compute_environment(queue: str) -> Json | None:
    """The first one of the queue (its name)."""
    order = batch._job_queues[queue].get("computeEnvironmentOrder") if queue in batch._job_queues else None
    first = min(order or [], key=lambda entry: int(entry.get("order", 0)), default=None)
    return batch._compute_envs.get(first["computeEnvironment"].rsplit("/", 1)[-1]) if first else None


def facts(record: Json) -> JobFacts:
    queue = record["jobQueue"].rsplit("/", 1)[-1]
    resources = (compute_environment(queue) or {}).get("computeResources") or {}
    return JobFacts(
        text=json.dumps([record["jobName"], record["parameters"], record["tags"]]),
        queue=queue,
        instance_types=tuple(resources.get("instanceTypes") or ()),
        purchase="spot" if str(resources.get("type", "")).upper() == "SPOT" else "on-demand",
        step=record["parameters"].get("step"),
        node=record.get("nodeDetails", {}).get("nodeIndex"),
    )


class Fate:
    """What will happen to one running container, if it runs long enough."""

    def __init__(self, rule: KillJob | ReclaimHost, instance_id: str, metadata: InstanceMetadata) -> None:
        self._rule = rule
        self.instance_id = instance_id
        self._metadata = metadata
        self._over = threading.Event()
        self._struck = False

    @property
    def gives_notice(self) -> bool:
        return isinstance(self._rule, ReclaimHost) and not self._rule.silent

    def begin(self, process: JobProcess) -> None:
        threading.Thread(target=self._run, args=(process,), daemon=True).start()

    def _run(self, process: JobProcess) -> None:
        rule = self._rule
        if self._over.wait(rule.after_seconds):
            return
        if isinstance(rule, ReclaimHost) and not rule.silent:
            self._metadata.announce(self.instance_id, time.time() + rule.notice_seconds)
            if self._over.wait(rule.notice_seconds):
                return
            self._struck = True
            process.stop()
        else:
            self._struck = True
            process.kill()

    def end(self, attempt: Json) -> None:
        """Once the process has ended; the attempt says why as Batch would."""
        self._over.set()
        container = attempt["container"]
        if not self._struck or container.get("exitCode") == 0:
            return
        if isinstance(self._rule, ReclaimHost):
            # Nobody was left to tell the exit code.
            del container["exitCode"]
            attempt["statusReason"] = f"Host EC2 (instance {self.instance_id}) terminated."
        elif self._rule.out_of_memory and container["exitCode"] == KILLED:
            container["reason"] = OUT_OF_MEMORY


class JobChaos:
    def __init__(self, chaos: Chaos, metadata: InstanceMetadata) -> None:
        self._chaos = chaos
        self._metadata = metadata

    def blockage(self, record: Json) -> NoCapacity | None:
        if not self._chaos.has(NoCapacity):
            return None
        job = facts(record)
        return self._chaos.take(NoCapacity, lambda rule: rule.applies_to(job))

    def is_blocking(self, rule: NoCapacity) -> bool:
        return self._chaos.holds(rule)

    def wait_seconds(self, max_time_seconds: float) -> float:
        return max_time_seconds * self._chaos.time_scale

    def start_seconds(self, record: Json) -> float:
        job = facts(record)
        rule = self._chaos.take(SlowStart, lambda rule: rule.applies_to(job))
        return rule.seconds if rule else 0

    def pull_error(self, record: Json) -> str | None:
        job = facts(record)
        rule = self._chaos.take(NoImage, lambda rule: rule.applies_to(job))
        return PULL_ERROR.format(image=record["container"]["image"]) if rule else None

    def timeout_seconds(self, record: Json) -> float | None:
        job = facts(record)
        if rule := self._chaos.take(TimeOut, lambda rule: rule.applies_to(job)):
            return rule.after_seconds
        return (record.get("timeout") or {}).get("attemptDurationSeconds")

    def fate(self, record: Json, task_id: str) -> Fate | None:
        job = facts(record)
        for kind in (ReclaimHost, KillJob):
            if rule := self._chaos.take(kind, lambda rule: rule.applies_to(job)):
                return Fate(rule, f"i-{task_id[:17]}", self._metadata)
        return None
