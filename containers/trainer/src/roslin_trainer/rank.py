"""One training process: the only one on a CPU, one per GPU under torchrun."""

import json
import os
import sys
import traceback
from pathlib import Path

import torch

from roslin_trainer.build_engine import deepspeed_engine, torch_engine
from roslin_trainer.checkpoint import CheckpointStore
from roslin_trainer.errors import as_trainer_error
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.metrics import Metrics
from roslin_trainer.model import quiet_libraries
from roslin_trainer.plan import Plan, read_plan
from roslin_trainer.prepare import HELD_OUT_ROWS, TRAIN_ROWS
from roslin_trainer.signals import StopSignal
from roslin_trainer.storage import open_folder
from roslin_trainer.tokens import load_rows
from roslin_trainer.train import Rows, Trainer, batch_plan


class Inputs:
    """What the train step has fetched to the scratch disk, for all ranks of this machine."""

    def __init__(self, scratch: Path):
        self.scratch = scratch
        self.base = scratch / "base"
        self.rows = scratch / "rows"
        self.checkpoint = scratch / "checkpoint"
        self.ranks = scratch / "ranks"

    def pid_file(self, rank: int) -> Path:
        return self.ranks / f"{rank}.pid"

    def error_file(self, rank: int) -> Path:
        return self.ranks / f"{rank}.error.json"


def run_rank(plan: Plan, inputs: Inputs, stop: StopSignal) -> None:
    """Trains from the fetched checkpoint, or from the start, to the end."""
    rows = Rows(load_rows(inputs.rows / TRAIN_ROWS), load_rows(inputs.rows / HELD_OUT_ROWS))
    resumes = inputs.checkpoint.exists()
    is_distributed = "LOCAL_RANK" in os.environ
    build = deepspeed_engine if is_distributed else torch_engine
    engine = build(plan, inputs.base, inputs.checkpoint if resumes else None, rows.train[0])
    steps_per_epoch = batch_plan(plan, rows.train, engine).steps_per_epoch
    run_folder = open_folder(plan.run_uri)
    device = torch.cuda.get_device_name(engine.device) if engine.device.type == "cuda" else "cpu"
    metrics = Metrics(run_folder, device, engine.world_size, steps_per_epoch, plan.training.epochs)
    store = CheckpointStore(run_folder, plan.keep_epochs)
    trainer = Trainer(plan, engine, rows, store, metrics, inputs.scratch)
    if resumes:
        trainer.resume(inputs.checkpoint)
    trainer.run(stop)


def main() -> None:
    """The entry of a process that torchrun starts. Its error goes to a file: torchrun loses exit codes."""
    quiet_libraries()
    rank = int(os.environ["RANK"])
    inputs = Inputs(Path(os.environ["ROSLIN_SCRATCH_DIR"]))
    inputs.pid_file(rank).write_text(str(os.getpid()))
    stop = StopSignal()
    try:
        run_rank(read_plan(os.environ["ROSLIN_PLAN_URI"]), inputs, stop)
    except BaseException as error:
        named = as_trainer_error(error)
        if named.exit_code == ExitCode.UNEXPECTED:
            traceback.print_exc()
        inputs.error_file(rank).write_text(json.dumps(named.to_json("train")))
        # All ranks stop together after a signal: on a failure, torchrun would kill the one that uploads.
        sys.exit(0 if named.exit_code == ExitCode.INTERRUPTED else named.exit_code)


if __name__ == "__main__":
    main()
