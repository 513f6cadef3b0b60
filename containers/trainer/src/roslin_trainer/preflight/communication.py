"""Whether all ranks answer and add up a number, in each rank, before it loads the model."""

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import torch
import torch.distributed as distributed
from torch.distributed.rendezvous import rendezvous

from roslin_trainer.errors import TrainerError, as_trainer_error
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.host import MIB
from roslin_trainer.log import log

# NCCL connects 8 GPUs in seconds, and several machines in less than a minute.
DEADLINE_SECONDS = 120.0
GPU_BYTES, CPU_BYTES = 64 * MIB, 4 * MIB
HERE, DONE = "preflight/here", "preflight/done"


def check_communication(initialise: Callable[[], None], deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """`initialise` sets up torch.distributed. Raises TrainerError COMMUNICATION_FAILED, naming silent ranks.

    Both it and the first all-reduce can block deep in C for as long as they like. They run in a thread that
    is left behind when the deadline passes: end the process then without waiting for it.
    """
    store, rank, world_size = next(rendezvous("env://", timeout=timedelta(seconds=deadline_seconds)))
    store.add(f"{HERE}/{rank}", 1)
    failures: list[BaseException] = []

    def connect() -> None:
        try:
            initialise()
            found = _all_reduce(rank, world_size)
            store.add(f"{DONE}/{rank}", 1)
            if rank == 0:
                log(f"preflight communication: {found}: ok")
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=connect, name="preflight", daemon=True)
    thread.start()
    thread.join(deadline_seconds)
    if thread.is_alive():
        raise _failed(f"{_who_is_missing(store, world_size)} within {deadline_seconds:.0f} s.")
    for failure in failures:
        # The backends have no exception of their own for a lost connection.
        is_unnamed = as_trainer_error(failure).exit_code == ExitCode.UNEXPECTED
        raise _failed(f"{failure}") if isinstance(failure, RuntimeError) and is_unnamed else failure


def end_communication() -> None:
    """For an orderly end of all ranks: of those that just exit, gloo aborts one now and then (SIGABRT)."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _all_reduce(rank: int, world_size: int) -> str:
    """Adds up each rank's number, and again for the time: the first one connects."""
    device = torch.device("cpu")
    if torch.cuda.is_available():
        # A thread has a current GPU of its own.
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    size = GPU_BYTES if device.type == "cuda" else CPU_BYTES
    for _ in range(2):
        values = torch.full((size // 4,), rank + 1.0, device=device)
        started = time.perf_counter()
        distributed.all_reduce(values)
        low, high = values.min().item(), values.max().item()
        seconds = time.perf_counter() - started
    expected = world_size * (world_size + 1) / 2
    if (low, high) != (expected, expected):
        raise _failed(f"Rank {rank} was told that the ranks add up to {low} to {high}; it is {expected}.")
    # Of a ring: each rank sends and receives this share of the whole (NVIDIA, nccl-tests, PERFORMANCE.md).
    gigabytes = 2 * (world_size - 1) / world_size * size / 1e9
    return (
        f"{world_size} ranks add up {size // MIB} MiB in {seconds * 1000:.1f} ms "
        f"({gigabytes / seconds:.1f} GB/s bus bandwidth, {distributed.get_backend()})"
    )


def _who_is_missing(store: distributed.Store, world_size: int) -> str:
    # Nothing added is a question: PyTorch 2.0 has no other.
    absent = [rank for rank in range(world_size) if store.add(f"{HERE}/{rank}", 0) == 0]
    if absent:
        return f"Of {world_size} ranks, {_list(absent)} did not answer"
    stuck = [rank for rank in range(world_size) if store.add(f"{DONE}/{rank}", 0) == 0]
    return f"All {world_size} ranks are there, but {_list(stuck)} could not add up a number with the others"


def _list(ranks: list[int]) -> str:
    return ", ".join(map(str, ranks))


def _failed(what: str) -> TrainerError:
    return TrainerError(
        ExitCode.COMMUNICATION_FAILED,
        "COMMUNICATION_FAILED",
        what,
        "Check that the machines' security group lets them reach each other on every port. NCCL_DEBUG=INFO "
        "in the job's environment tells more.",
    )
