"""Starts one training process per GPU and watches over them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from roslin_trainer.error_file import find_cause
from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ENDS_OF_ALL_RANKS, SYMPTOMS, ExitCode
from roslin_trainer.inputs import Inputs
from roslin_trainer.log import log
from roslin_trainer.nodes import Nodes
from roslin_trainer.signals import STOP_SECONDS, StopSignal
from roslin_trainer.stacks import STACKS_SIGNAL
from roslin_trainer.stop_file import ended_at_once, forbids_checkpoint
from roslin_trainer.storage import Folder

POLL_SECONDS = 0.2
STACKS_SECONDS = 2.0
# How long ranks have to end by themselves once one of them has failed: those that wait for it never do.
FAREWELL_SECONDS = 5.0
# And where a checkpoint is still uploaded. Told to stop meanwhile, the run is gone in time all the same.
UPLOAD_SECONDS = STOP_SECONDS - 20
OTHER_NODES_SECONDS = 5.0
# PyTorch's own. In a container of its own nobody else has it; MASTER_PORT chooses another.
MASTER_PORT = "29500"


def run_ranks(
    count: int, nodes: Nodes, plan_uri: str, run_folder: Folder, inputs: Inputs, stop: StopSignal
) -> None:
    """Returns when all ranks of this node are done. Raises the error that made them fail."""
    inputs.ranks.mkdir(parents=True)
    environment = {
        **os.environ,
        "ROSLIN_PLAN_URI": plan_uri,
        "ROSLIN_SCRATCH_DIR": str(inputs.scratch),
        "ROSLIN_STARTED_AT": str(inputs.started_at),
        "ROSLIN_SUPERVISOR_PID": str(os.getpid()),
    }
    command = [sys.executable, "-m", "roslin_trainer.agent", *torchrun_arguments(count, nodes)]
    with stop.deferred():
        # A session of its own: a terminal's Ctrl-C reaches this process, which passes it on in its own way.
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        others = OtherNodes(nodes, plan_uri)
        told: set[int] = set()
        is_asked = False
        while process.poll() is None:
            if stop.requested and not is_asked:
                is_asked = True
                if forbids_checkpoint(run_folder):
                    _kill_ranks(inputs, process)
                    raise ended_at_once()
            if stop.requested:
                _tell_new_ranks(inputs, stop, told)
            if cause := others.cause():
                _end_ranks(inputs, process, stop)
                raise cause
            if failures := {error["exitCode"] for error in _errors(inputs)} - ENDS_OF_ALL_RANKS:
                if ExitCode.HUNG in failures:
                    _show_stacks(inputs)
                _end_ranks(inputs, process, stop)
            time.sleep(POLL_SECONDS)
        _raise_cause(inputs, process.returncode)


class OtherNodes:
    """Batch ends a job with its main node alone: that one must not wait for a node that will never come.

    What all ranks end with together, or end with for missing others, is left to them.
    """

    def __init__(self, nodes: Nodes, plan_uri: str):
        self._is_watched = nodes.count > 1 and nodes.is_main
        self._plan_uri = plan_uri
        self._look_at = time.monotonic() + OTHER_NODES_SECONDS

    def cause(self) -> TrainerError | None:
        """The error that ended another node; looked for every few seconds."""
        if not self._is_watched or time.monotonic() < self._look_at:
            return None
        self._look_at = time.monotonic() + OTHER_NODES_SECONDS
        try:
            return find_cause(self._plan_uri)
        except Exception as failure:
            log(f"what other nodes died of cannot be read: {failure}; training goes on")
            return None


def torchrun_arguments(ranks_per_node: int, nodes: Nodes) -> list[str]:
    arguments = ["--standalone"]
    if nodes.count > 1:
        arguments = [
            f"--nnodes={nodes.count}",
            f"--node-rank={nodes.index}",
            f"--master-addr={nodes.main_address}",
            f"--master-port={os.environ.get('MASTER_PORT', MASTER_PORT)}",
        ]
    return [*arguments, f"--nproc-per-node={ranks_per_node}", "--module", "roslin_trainer.rank"]


def _tell_new_ranks(inputs: Inputs, stop: StopSignal, told: set[int]) -> None:
    """SIGTERM to every rank once. Not to torchrun: it would kill them 30 s later, amid a checkpoint."""
    new = set(_pids(inputs).values()) - told
    if new and stop.notice:
        stop.notice.write(inputs.stop_notice)
    told |= new
    _signal(new, signal.SIGTERM)


def _show_stacks(inputs: Inputs) -> None:
    """The stacks of every rank into the log, whichever noticed: the one to blame is often another."""
    pids = _pids(inputs)
    _signal(pids.values(), STACKS_SIGNAL)
    time.sleep(STACKS_SECONDS)
    for rank in sorted(pids):
        file = inputs.stacks_file(rank)
        stacks = file.read_text() if file.exists() else ""
        log(f"stacks of rank {rank}:\n{stacks or '(it did not answer)'}")


def _end_ranks(inputs: Inputs, process: subprocess.Popen, stop: StopSignal) -> None:
    """Kills them, but first lets uploads of the node's checkpoints come to their end."""
    started = time.monotonic()
    while process.poll() is None:
        seconds = time.monotonic() - started
        is_uploading = any(inputs.uploads.glob("*")) and not _is_late(stop)
        if seconds > (UPLOAD_SECONDS if is_uploading else FAREWELL_SECONDS):
            _kill_ranks(inputs, process)
        time.sleep(POLL_SECONDS)


def _is_late(stop: StopSignal) -> bool:
    """Whether this process must soon be gone."""
    return stop.notice is not None and stop.notice.seconds_left < STOP_SECONDS - UPLOAD_SECONDS


def _kill_ranks(inputs: Inputs, process: subprocess.Popen) -> None:
    _signal([*_pids(inputs).values(), process.pid], signal.SIGKILL)
    process.wait()


def _pids(inputs: Inputs) -> dict[int, int]:
    """The process of each rank that has started."""
    return {int(file.stem): int(file.read_text()) for file in inputs.ranks.glob("*.pid")}


def _signal(pids, number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def _errors(inputs: Inputs) -> list[dict]:
    """What failed ranks have left, the first one first."""
    files: list[Path] = sorted(inputs.ranks.glob("*.error.json"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(file.read_text()) for file in files]


def _raise_cause(inputs: Inputs, return_code: int) -> None:
    """The first error of a rank's own, else of an end that all come to, else of missing another rank.

    Where all end together, the leader's may come last: its upload failed while the others were done.
    """
    if errors := _errors(inputs):
        codes = (SYMPTOMS, ENDS_OF_ALL_RANKS)
        raise TrainerError.from_json(min(errors, key=lambda error: [error["exitCode"] in of for of in codes]))
    if return_code != 0:
        raise RuntimeError(
            f"the training processes ended with code {return_code} and left no reason (killed?)"
        )
