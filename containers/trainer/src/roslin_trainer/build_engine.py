"""Builds what a rank trains with: the model, in the memory that there is, and the machinery around it."""

import os
from datetime import timedelta
from pathlib import Path

import torch

from roslin_trainer import host
from roslin_trainer.attention import attention_for, why_padded
from roslin_trainer.data_parallel_engine import DataParallelEngine
from roslin_trainer.engine import Engine, TorchEngine
from roslin_trainer.layout import Layout, check_layout
from roslin_trainer.log import log
from roslin_trainer.model import (
    choose_dtype,
    enable_gradient_checkpointing,
    load_adapters,
    load_base,
    load_config,
    load_model,
    model_size,
    precision_of,
    with_adapters,
)
from roslin_trainer.plan import Plan, Training
from roslin_trainer.preflight.communication import check_communication
from roslin_trainer.sharding import Machine, Sharding, Wanted, choose_sharding
from roslin_trainer.tokens import TokenRow
from roslin_trainer.wide_products import are_products_wide

# Ranks wait for the upload of one of them. The watchdog ends what hangs, by the run's own times; NCCL's ten
# minutes would end what does not.
LONGEST_WAIT = timedelta(hours=1)


def torch_engine(
    plan: Plan, base: Path, checkpoint: Path | None, written: Layout | None, any_row: TokenRow
) -> Engine:
    """For one process on a CPU, where memory is plenty beside what a CPU trains in reasonable time.

    `written` is the layout of the checkpoint's state. Raises TrainerError CHECKPOINT_LAYOUT_DIFFERS.
    """
    dtype = choose_dtype(plan.training.precision, written and written.precision)
    check_layout(written, Layout("none", 1, "cpu", precision_of(dtype)))
    model = _load(plan, base, checkpoint, torch.float32, plan.training.gradient_checkpointing == "on")
    _announce(plan, model, "PyTorch", dtype)
    return TorchEngine(model, plan.training, dtype)


def rank_engine(
    plan: Plan, base: Path, checkpoint: Path | None, written: Layout | None, any_row: TokenRow
) -> Engine:
    """For a rank under torchrun. Raises TrainerError GPU_MEMORY_TOO_SMALL or CHECKPOINT_LAYOUT_DIFFERS."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    check_communication(lambda: torch.distributed.init_process_group(backend, timeout=LONGEST_WAIT))
    training = plan.training
    dtype = choose_dtype(training.precision, written and written.precision)
    _check_rank_layout(written, training, dtype)
    size = model_size(load_config(base, plan.base_model.source), training)
    wanted = Wanted.by(training, torch.finfo(dtype).bits // 8)
    sharding = choose_sharding(size, this_machine(), wanted, written)
    if torch.distributed.get_rank() == 0:
        log(sharding.reason)
    if sharding.kind == "none" and not torch.cuda.is_available():
        model = _load(plan, base, checkpoint, torch.float32, sharding.gradient_checkpointing)
        _announce(plan, model, "PyTorch", dtype)
        return DataParallelEngine(model, training, dtype)
    return _deepspeed_engine(plan, base, checkpoint, dtype, sharding, any_row)


def _check_rank_layout(written: Layout | None, training: Training, dtype: torch.dtype) -> None:
    if written:
        # `auto` takes a kind that reads the state.
        kind = written.sharding if training.sharding == "auto" else training.sharding
        device = "cuda" if torch.cuda.is_available() else "cpu"
        world_size = torch.distributed.get_world_size()
        check_layout(written, Layout(kind, world_size, device, precision_of(dtype)))


def _deepspeed_engine(
    plan: Plan, base: Path, checkpoint: Path | None, dtype: torch.dtype, sharding: Sharding, any_row: TokenRow
) -> Engine:
    import deepspeed
    from transformers.integrations import HfDeepSpeedConfig

    from roslin_trainer.deepspeed_engine import DeepSpeedEngine, deepspeed_config

    # For inference on CPUs alone: it would be compiled now, for minutes, and the image has no compiler.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend=torch.distributed.get_backend(), verbose=False)
    # Alive while loading, it makes Transformers give each rank only its part of the weights.
    zero3 = (
        HfDeepSpeedConfig(deepspeed_config(plan.training, dtype, sharding.kind))
        if sharding.stage == 3
        else None
    )
    model = _load(plan, base, checkpoint, dtype, sharding.gradient_checkpointing)
    del zero3
    _announce(plan, model, "DeepSpeed", dtype)
    return DeepSpeedEngine(model, plan.training, dtype, sharding, any_row)


def this_machine() -> Machine:
    """As torchrun has set it up. Ranks on a CPU share the host's memory."""
    gpus_per_host = int(os.environ["LOCAL_WORLD_SIZE"])
    host_bytes = host.memory_bytes()
    if torch.cuda.is_available():
        gpu_bytes = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    else:
        gpu_bytes = host_bytes // gpus_per_host
    return Machine(
        int(os.environ["WORLD_SIZE"]), gpu_bytes, gpus_per_host, host_bytes, torch.cuda.is_available()
    )


def _load(plan: Plan, base: Path, checkpoint: Path | None, dtype: torch.dtype, gradient_checkpointing: bool):
    source, training = plan.base_model.source, plan.training
    attention = attention_for(load_config(base, source), training.max_tokens)
    torch.manual_seed(training.seed)
    if training.method == "full":
        model = load_model(checkpoint or base, source, dtype, attention=attention)
    else:
        frozen = load_base(training, base, source, dtype, attention)
        model = (
            load_adapters(frozen, checkpoint, is_trainable=True)
            if checkpoint
            else with_adapters(frozen, training, source)
        )
    if gradient_checkpointing:
        enable_gradient_checkpointing(model)
    return model


def _announce(plan: Plan, model, library: str, dtype: torch.dtype) -> None:
    where = "the CPU"
    if torch.distributed.is_initialized():
        if torch.distributed.get_rank() > 0:
            return
        where = f"{torch.distributed.get_world_size()} ranks"
    if reason := why_padded(model.config, plan.training.max_tokens):
        log(f"rows are padded, not packed: {reason}")
    if library == "PyTorch" and are_products_wide(dtype):
        log("products of bf16 are computed in 32 bits: this processor, without AMX, is faster so")
    counts = [getattr(p, "ds_numel", p.numel()) for p in model.parameters() if p.requires_grad]
    trained = f"{sum(counts) / 1e6:.1f} M weights ({plan.training.method})"
    log(f"training {trained} with {library} on {where}, {dtype}")
