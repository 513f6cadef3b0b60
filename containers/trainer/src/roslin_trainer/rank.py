"""One training process: the only one on a CPU, one per GPU under torchrun."""

import json
import os
import sys
import traceback
from pathlib import Path

import torch

from roslin_trainer.checkpoint import CheckpointStore
from roslin_trainer.engine import Engine, TorchEngine
from roslin_trainer.errors import as_trainer_error
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.log import log
from roslin_trainer.metrics import Metrics
from roslin_trainer.model import (
    choose_dtype,
    load_adapters,
    load_model,
    load_tokenizer,
    quiet_libraries,
    with_adapters,
)
from roslin_trainer.plan import Plan, read_plan
from roslin_trainer.preflight.communication import check_communication, end_communication
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
    build = _deepspeed_engine if is_distributed else _torch_engine
    engine = build(plan, inputs, rows, inputs.checkpoint if resumes else None)
    steps_per_epoch = batch_plan(plan, len(rows.train), engine.world_size).steps_per_epoch
    run_folder = open_folder(plan.run_uri)
    device = torch.cuda.get_device_name(engine.device) if engine.device.type == "cuda" else "cpu"
    metrics = Metrics(run_folder, device, engine.world_size, steps_per_epoch, plan.training.epochs)
    store = CheckpointStore(run_folder, plan.keep_epochs)
    trainer = Trainer(plan, engine, rows, store, metrics, inputs.scratch)
    if resumes:
        trainer.resume(inputs.checkpoint)
    trainer.run(stop)


def _torch_engine(plan: Plan, inputs: Inputs, rows: Rows, checkpoint: Path | None) -> Engine:
    model = _load(plan, inputs, checkpoint, choose_dtype(plan.training.precision))
    _announce(plan, model, "PyTorch on the CPU", torch.float32)
    return TorchEngine(model, plan.training)


def _deepspeed_engine(plan: Plan, inputs: Inputs, rows: Rows, checkpoint: Path | None) -> Engine:
    import deepspeed
    from transformers.integrations import HfDeepSpeedConfig

    from roslin_trainer.deepspeed_engine import DeepSpeedEngine, zero_config

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    check_communication(lambda: deepspeed.init_distributed(dist_backend=backend, verbose=False))
    dtype = choose_dtype(plan.training.precision)
    # Alive while loading, it makes Transformers give each rank only its part of the weights.
    zero = HfDeepSpeedConfig(zero_config(dtype))
    model = _load(plan, inputs, checkpoint, dtype)
    del zero
    if torch.cuda.is_available():
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    pad_id = load_tokenizer(inputs.base, plan.base_model.source).pad_token_id
    engine = DeepSpeedEngine(model, plan.training, dtype, pad_id, rows.train[0])
    if engine.rank == 0:
        _announce(plan, model, f"DeepSpeed ZeRO-3 on {engine.world_size} ranks", dtype)
    return engine


def _load(plan: Plan, inputs: Inputs, checkpoint: Path | None, dtype: torch.dtype):
    source = plan.base_model.source
    torch.manual_seed(plan.training.seed)
    if plan.training.method == "full":
        return load_model(checkpoint or inputs.base, source, dtype)
    base = load_model(inputs.base, source, dtype)
    if checkpoint:
        return load_adapters(base, checkpoint, is_trainable=True)
    return with_adapters(base, plan.training, source)


def _announce(plan: Plan, model, machinery: str, dtype: torch.dtype) -> None:
    counts = [getattr(p, "ds_numel", p.numel()) for p in model.parameters() if p.requires_grad]
    log(f"training {sum(counts) / 1e6:.1f} M weights ({plan.training.method}) with {machinery}, {dtype}")


def main() -> None:
    """The entry of a process that torchrun starts. Its error goes to a file: torchrun loses exit codes."""
    quiet_libraries()
    rank = int(os.environ["RANK"])
    inputs = Inputs(Path(os.environ["ROSLIN_SCRATCH_DIR"]))
    inputs.pid_file(rank).write_text(str(os.getpid()))
    stop = StopSignal()
    try:
        run_rank(read_plan(os.environ["ROSLIN_PLAN_URI"]), inputs, stop)
        end_communication()
    except BaseException as error:
        named = as_trainer_error(error)
        if named.exit_code == ExitCode.UNEXPECTED:
            traceback.print_exc()
        inputs.error_file(rank).write_text(json.dumps(named.to_json("train")))
        if named.exit_code == ExitCode.COMMUNICATION_FAILED:
            # A thread may be stuck in a collective: an orderly end could wait for it.
            os._exit(named.exit_code)
        if named.exit_code == ExitCode.INTERRUPTED:
            end_communication()
        # All ranks stop together after a signal: on a failure, torchrun would kill the one that uploads.
        sys.exit(0 if named.exit_code == ExitCode.INTERRUPTED else named.exit_code)


if __name__ == "__main__":
    main()
