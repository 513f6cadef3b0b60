"""Starts one training process per GPU and watches over them."""

import json
import os
import signal
import subprocess
import sys
import time

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.rank import Inputs
from roslin_trainer.signals import StopSignal

POLL_SECONDS = 0.2


def run_ranks(count: int, plan_uri: str, inputs: Inputs, stop: StopSignal) -> None:
    """Returns when all ranks have trained to the end. Raises the error that the first failed one left."""
    inputs.ranks.mkdir(parents=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    environment = {**os.environ, "ROSLIN_PLAN_URI": plan_uri, "ROSLIN_SCRATCH_DIR": str(inputs.scratch)}
    with stop.deferred():
        # A session of its own: a terminal's Ctrl-C reaches this process, which passes it on in its own way.
        process = subprocess.Popen(
            [*command, "--module", "roslin_trainer.rank"], env=environment, start_new_session=True
        )
        told: set[int] = set()
        while process.poll() is None:
            if stop.requested:
                _tell_new_ranks(inputs, told)
            time.sleep(POLL_SECONDS)
    _raise_first_error(inputs, process.returncode)


def _tell_new_ranks(inputs: Inputs, told: set[int]) -> None:
    """SIGTERM to every rank once. Not to torchrun: it would kill them 30 s later, amid a checkpoint."""
    for pid_file in inputs.ranks.glob("*.pid"):
        pid = int(pid_file.read_text() or 0)
        if pid and pid not in told:
            told.add(pid)
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass


def _raise_first_error(inputs: Inputs, return_code: int) -> None:
    # The first one is the cause: the other ranks fail because they miss it.
    errors = sorted(inputs.ranks.glob("*.error.json"), key=lambda path: path.stat().st_mtime_ns)
    if errors:
        error = json.loads(errors[0].read_text())
        raise TrainerError(ExitCode(error["exitCode"]), error["code"], error["message"], error["nextStep"])
    if return_code != 0:
        raise RuntimeError(
            f"the training processes ended with code {return_code} and left no reason (killed?)"
        )
