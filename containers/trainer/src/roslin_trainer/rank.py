"""One training process: the only one on a CPU, one per GPU under torchrun."""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from roslin_trainer.budget import Budget, HourlyPrice
from roslin_trainer.build_engine import rank_engine, torch_engine
from roslin_trainer.checkpoint import CheckpointStore, read_position
from roslin_trainer.checkpoint_interval import CheckpointInterval
from roslin_trainer.errors import TrainerError, as_trainer_error, is_out_of_memory, out_of_memory
from roslin_trainer.exit_codes import ENDS_OF_ALL_RANKS, ExitCode
from roslin_trainer.files import write_whole
from roslin_trainer.inputs import Inputs
from roslin_trainer.metrics import Metrics
from roslin_trainer.nodes import read_place
from roslin_trainer.parent import end_with_parent
from roslin_trainer.plan import Plan, read_plan
from roslin_trainer.preflight.communication import end_communication
from roslin_trainer.prepare import HELD_OUT_ROWS, TRAIN_ROWS
from roslin_trainer.raw_series import RawSeries
from roslin_trainer.saver import CheckpointSaver
from roslin_trainer.signals import StopSignal
from roslin_trainer.stacks import write_stacks_on_signal, write_stacks_to_log
from roslin_trainer.start import check_same_start, earlier_attempts, start_parts
from roslin_trainer.storage import open_folder
from roslin_trainer.tokens import load_rows
from roslin_trainer.train import Rows, Trainer, batch_plan
from roslin_trainer.watchdog import Watchdog

# More than an error takes.
ROOM_BYTES = 2**16
# Longer than the supervisor lets uploads go on.
SUPERVISOR_SECONDS = 120.0


def run_rank(
    plan: Plan,
    inputs: Inputs,
    stop: StopSignal,
    on_hang: Callable[[TrainerError], None],
    on_failure: Callable[[Exception], None] = lambda error: None,
) -> None:
    """Trains from the fetched checkpoint, or from the start, to the end.

    `on_hang` must end the process. `on_failure` is told of an error while uploads may still run.
    """

    def named(error: Exception) -> Exception:
        return out_of_memory(error, plan.capacity.reason) if is_out_of_memory(error) else error

    try:
        _train(plan, inputs, stop, Watchdog(on_hang), lambda error: on_failure(named(error)))
    except Exception as error:
        if is_out_of_memory(error):
            raise named(error) from error
        raise


def _train(
    plan: Plan,
    inputs: Inputs,
    stop: StopSignal,
    watchdog: Watchdog,
    on_failure: Callable[[Exception], None],
) -> None:
    rows = Rows(load_rows(inputs.rows / TRAIN_ROWS), load_rows(inputs.rows / HELD_OUT_ROWS))
    checkpoint = inputs.checkpoint if inputs.checkpoint.exists() else None
    position = read_position(checkpoint) if checkpoint else None
    is_distributed = "LOCAL_RANK" in os.environ
    build = rank_engine if is_distributed else torch_engine
    engine = build(plan, inputs.base, checkpoint, position.layout if position else None, rows.train[0])
    check_same_start(engine, position)
    run_folder = open_folder(plan.run_uri)
    limits = plan.limits
    budget = Budget(
        limits,
        inputs.started_at,
        earlier_attempts(run_folder, position, limits.price_usd_per_hour * limits.nodes),
        HourlyPrice(limits.price_usd_per_hour, inputs.price, limits.nodes),
    )
    steps_per_epoch = batch_plan(plan, rows.train, engine).steps_per_epoch
    device = torch.cuda.get_device_name(engine.device) if engine.device.type == "cuda" else "cpu"
    metrics = Metrics(
        run_folder,
        device,
        engine.world_size,
        steps_per_epoch,
        plan.training.epochs,
        budget,
        RawSeries(run_folder, inputs.scratch) if engine.rank == 0 else None,
    )
    saver = CheckpointSaver(
        engine,
        CheckpointStore(run_folder, plan.keep_epochs),
        read_place(),
        start_parts(engine),
        CheckpointInterval(plan.capacity.purchase),
        inputs.checkpoints,
        inputs.uploads,
    )
    trainer = Trainer(plan, engine, rows, saver, metrics, budget, watchdog, on_failure)
    if checkpoint:
        trainer.resume(checkpoint)
    trainer.run(stop)


def main() -> None:
    """The entry of a process that torchrun starts. Its error goes to a file, and it exits with 0 even so.

    The supervisor ends the others then; torchrun would kill the one that still uploads after 30 s.
    """
    end_with_parent(os.getppid())
    rank = int(os.environ["RANK"])
    inputs = Inputs(Path(os.environ["ROSLIN_SCRATCH_DIR"]), float(os.environ["ROSLIN_STARTED_AT"]))
    stop = StopSignal(inputs.stop_notice)
    write_stacks_on_signal(inputs.stacks_file(rank))
    inputs.room_file(rank).write_bytes(bytes(ROOM_BYTES))
    # Last: whoever finds it may send signals.
    write_whole(inputs.pid_file(rank), str(os.getpid()))
    try:
        plan = read_plan(os.environ["ROSLIN_PLAN_URI"])
        run_rank(
            plan,
            inputs,
            stop,
            on_hang=lambda error: _end_hung(inputs, rank, error),
            on_failure=lambda error: _leave_error(inputs, rank, error),
        )
        end_communication()
    except BaseException as error:
        named = _leave_error(inputs, rank, error)
        if named.exit_code == ExitCode.COMMUNICATION_FAILED:
            # A thread may be stuck in a collective: an orderly end could wait for it.
            os._exit(0)
        if named.exit_code in ENDS_OF_ALL_RANKS:
            end_communication()
        sys.exit(0)


def _leave_error(inputs: Inputs, rank: int, error: BaseException) -> TrainerError:
    """The first one stays: what comes later comes of it."""
    named, file = as_trainer_error(error), inputs.error_file(rank)
    if not file.exists():
        if named.exit_code == ExitCode.UNEXPECTED:
            traceback.print_exception(error)
        inputs.room_file(rank).unlink(missing_ok=True)
        write_whole(file, json.dumps(named.to_json("train")))
    return named


def _end_hung(inputs: Inputs, rank: int, error: TrainerError) -> None:
    _leave_error(inputs, rank, error)
    # The supervisor reads it, asks all ranks for their stacks, and ends them. Where it is gone:
    time.sleep(SUPERVISOR_SECONDS)
    write_stacks_to_log()
    os._exit(error.exit_code)


if __name__ == "__main__":
    main()
