"""The nodes of one attempt of a job, each a process. The main one starts first; the job ends with it."""

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ministack.services import batch

from roslin_emulator.job_attempt import AttemptRunner, not_started
from roslin_emulator.job_request import now_ms
from roslin_emulator.live_job import LiveJob
from roslin_emulator.node_request import node_job_id
from roslin_emulator.process import JobProcess

logger = logging.getLogger("roslin.batch")

Json = dict[str, Any]
LOOPBACK = "127.0.0.1"
OUTCOME = ("exitCode", "reason", "logStreamName", "taskArn")


class NodeGroup:
    """`move(node, status, reason)` says what has become of a node, under the lock."""

    def __init__(
        self,
        job: LiveJob,
        attempts: AttemptRunner,
        lock: AbstractContextManager,
        move: Callable[[LiveJob, str, str | None], None],
    ) -> None:
        self._attempts = attempts
        self._lock = lock
        self._move = move
        self._stopping = threading.Event()
        properties = job.record["nodeProperties"]
        self._main = properties["mainNode"]
        count = properties["numNodes"]
        # On AWS each node has a network of its own. Here they share one, and so do the nodes of other jobs.
        port = _free_port()
        self._nodes = [self._node(job, index, count, port) for index in range(count)]

    def run(self, on_running: Callable[["NodeGroup"], None]) -> Json:
        """Returns at the end of the attempt, with what became of the main node: that is the job's own."""
        main = self._nodes[self._main]
        others = [
            threading.Thread(target=self._run, args=(node, lambda: None), daemon=True)
            for node in self._nodes
            if node is not main
        ]

        def start_others() -> None:
            on_running(self)
            for thread in others:
                thread.start()

        attempt = self._run(main, start_others)
        self.stop()
        for thread in others:
            if thread.ident is not None:
                thread.join()
        return attempt

    def stop(self) -> None:
        """SIGTERM to all that run, SIGKILL after the grace period; nothing starts any more."""
        self._stopping.set()
        for node in self._nodes:
            if process := node.process:
                process.stop()

    def _node(self, job: LiveJob, index: int, count: int, port: int) -> LiveJob:
        environment = {
            "AWS_BATCH_JOB_NODE_INDEX": str(index),
            "AWS_BATCH_JOB_NUM_NODES": str(count),
            "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(self._main),
            "MASTER_PORT": str(port),
        }
        if index != self._main:
            environment["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = LOOPBACK
        record = batch._jobs[node_job_id(job.record["jobId"], index)]
        return LiveJob(record, job.scope, stopping=self._stopping, environment=environment)

    def _run(self, node: LiveJob, when_running: Callable[[], None]) -> Json:
        def on_running(process: JobProcess) -> None:
            with self._lock:
                node.process = process
                node.record["startedAt"] = now_ms()
                self._move(node, "RUNNING", None)
                if self._stopping.is_set():
                    process.stop()
            when_running()

        with node.scope.entered():
            with self._lock:
                for key in OUTCOME:
                    node.record["container"].pop(key, None)
                self._move(node, "STARTING", None)
            try:
                attempt = self._attempts.run(node, on_running)
            except Exception as error:
                logger.exception("node %s", node.record["jobId"])
                attempt = not_started(node, f"the embedded AWS failed: {error}")
            with self._lock:
                self._conclude(node, attempt)
        return attempt

    def _conclude(self, node: LiveJob, attempt: Json) -> None:
        node.process = None
        attempt["stoppedAt"] = node.record["stoppedAt"] = now_ms()
        node.record["attempts"].append(attempt)
        outcome = attempt["container"]
        known = {key: outcome[key] for key in ("exitCode", "reason") if key in outcome}
        node.record["container"].update(known)
        succeeded = outcome.get("exitCode") == 0
        self._move(node, "SUCCEEDED" if succeeded else "FAILED", attempt["statusReason"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
