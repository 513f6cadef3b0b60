"""Ranks for real, as processes of this machine that know each other through gloo."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as distributed
from conftest import Child

from roslin_trainer.gradient_sum import CHUNK_NUMBERS, SharedSum, gradient_sum, sum_by_gloo
from roslin_trainer.preflight.communication import end_communication

# More than one chunk for each rank, and no number of ranks divides it.
SHAPES = [(3, CHUNK_NUMBERS), (), (CHUNK_NUMBERS - 2,), (5, 7)]
NUMBERS = sum(torch.Size(shape).numel() for shape in SHAPES)


def gradients(rank: int, step: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(100 * step + rank)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def run_ranks(folder: Path, world_size: int, work: Callable[[], None], node_count: int = 1) -> None:
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = [
        Child(
            folder / f"rank-{rank}.log",
            partial(as_rank, rank, world_size, store.port, work),
            LOCAL_RANK="0" if node_count > 1 else str(rank),
            GROUP_RANK=str(rank) if node_count > 1 else "0",
            GROUP_WORLD_SIZE=str(node_count),
            GLOO_SOCKET_IFNAME="lo",
        )
        for rank in range(world_size)
    ]
    assert [rank.end() for rank in ranks] == [0] * world_size, ranks[0].log.read_text()


def as_rank(rank: int, world_size: int, port: int, work: Callable[[], None]) -> int:
    store = distributed.TCPStore("127.0.0.1", port, is_master=False)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=world_size)
    work()
    end_communication()
    return 0


def check_sums(kind: type) -> None:
    rank, world_size = distributed.get_rank(), distributed.get_world_size()
    add_up = gradient_sum(NUMBERS)
    assert isinstance(add_up, kind)
    for step in range(3):
        found = add_up(gradients(rank, step))
        expected = [
            sum(parts) for parts in zip(*(gradients(r, step) for r in range(world_size)), strict=True)
        ]
        torch.testing.assert_close(found, torch.cat([total.flatten() for total in expected]))
        everyones = [torch.empty_like(found) for _ in range(world_size)]
        distributed.all_gather(everyones, found)
        assert all(torch.equal(other, found) for other in everyones)
        # Clipping writes into what it gets, which nobody else may see.
        found *= rank
        distributed.barrier()
        torch.testing.assert_close(found, everyones[0] * rank)


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_of_one_machine_add_up_in_shared_memory(tmp_path, world_size):
    run_ranks(tmp_path, world_size, partial(check_sums, SharedSum))


def test_ranks_of_two_machines_add_up_by_gloo(tmp_path):
    run_ranks(tmp_path, 2, partial(check_sums, type(sum_by_gloo)), node_count=2)


def test_shared_memory_has_no_name_and_is_open_in_no_process(tmp_path):
    run_ranks(tmp_path, 2, check_no_file)


def check_no_file() -> None:
    add_up = gradient_sum(NUMBERS)
    assert "/memfd:roslin-gradients (deleted)" in Path("/proc/self/maps").read_text()
    # The list's own descriptor is gone when it is looked at.
    files = [os.readlink(file) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    assert files and not any("roslin-gradients" in file for file in files)
    add_up(gradients(distributed.get_rank(), step=0))
