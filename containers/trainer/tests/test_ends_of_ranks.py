"""How two ranks under a real torchrun end, where one of them fails or what it uploads does."""

import os

import pytest
from conftest import Child, Run, child_environment

# Python runs it as it starts, before anything else: the rank that it sets a trap for is another process.
FAULT = """
import os, threading, time
from pathlib import Path

if "RANK" in os.environ:
    from roslin_trainer.data_parallel_engine import DataParallelEngine
    from roslin_trainer.saver import CheckpointSaver
    from roslin_trainer.storage import LocalFolder

    rank, upload, accumulate = int(os.environ["RANK"]), LocalFolder.upload, DataParallelEngine.accumulate
    marks, save, has_saved = Path(__file__).parent, CheckpointSaver.save, threading.Event()

    def save_and_tell(self, *arguments):
        save(self, *arguments)
        has_saved.set()

    CheckpointSaver.save = save_and_tell
"""
STORAGE_FAILS_ONCE_THE_OTHERS_ARE_DONE = """
    from botocore.exceptions import EndpointConnectionError

    def fail(self, source, path):
        while not list(Path(os.environ["ROSLIN_SCRATCH_DIR"]).glob("ranks/1.error.json")):
            time.sleep(0.05)
        raise EndpointConnectionError(endpoint_url="https://s3")

    LocalFolder.upload = fail
"""
UPLOAD_LASTS_UNTIL_OTHERS_HANG = """
    def upload_slowly(self, source, path):
        ranks = Path(os.environ["ROSLIN_SCRATCH_DIR"], "ranks")
        (marks / "uploading").touch()
        while not list(ranks.glob("*.error.json")):
            time.sleep(0.05)
        if path.endswith("position.json"):
            # Longer than the supervisor waits for ranks that upload nothing.
            time.sleep(8)
        upload(self, source, path)

    if rank == 0:
        LocalFolder.upload = upload_slowly
"""
MEMORY_RUNS_OUT = """
    def run_out(self, *arguments):
        if has_saved.is_set() and rank == {rank}:
            while not (marks / "uploading").exists():
                time.sleep(0.05)
            raise MemoryError("in the middle of a step")
        if has_saved.is_set():
            # As NCCL does: it never says that another rank is gone.
            time.sleep(600)
        return accumulate(self, *arguments)

    DataParallelEngine.accumulate = run_out
"""
STANDS_STILL = """
    def stand_still(self, *arguments):
        if has_saved.is_set():
            time.sleep(600)
        return accumulate(self, *arguments)

    DataParallelEngine.accumulate = stand_still
"""
DISK_FILLS_UP = """
    def fill_up(self, *arguments):
        if rank == 0:
            try:
                with Path(os.environ["ROSLIN_SCRATCH_DIR"], "filler").open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
            except OSError:
                pass
        return accumulate(self, *arguments)

    DataParallelEngine.accumulate = fill_up
"""


@pytest.fixture
def make_ranks(make_run):
    """`make_ranks(fault, …)`: a run that is prepared, and the train step with two ranks and this fault."""

    def make(fault: str, epochs: int = 3, price: float = 0.0, **environment: str) -> tuple[Run, Child]:
        run = make_run(training={"method": "full", "epochs": epochs})
        run.content["recipe"]["limits"] = {"maxHours": 1, "maxUsd": 1}
        run.content["capacity"][0]["priceUsdPerHour"] = price
        run.write()
        assert run.step("prepare") == 0
        faults = run.root / "faults"
        faults.mkdir()
        (faults / "sitecustomize.py").write_text(FAULT + fault)
        path = os.pathsep.join([str(faults), child_environment()["PYTHONPATH"]])
        machine = run.start(
            "machine", ROSLIN_CPU_RANKS="2", GLOO_SOCKET_IFNAME="lo", PYTHONPATH=path, **environment
        )
        return run, machine

    return make


def complete_checkpoints(run: Run) -> list[str]:
    return sorted(manifest.parent.name for manifest in run.folder.glob("checkpoints/*/manifest.json"))


def test_last_checkpoint_that_cannot_be_uploaded_is_the_cause(make_ranks):
    run, machine = make_ranks(STORAGE_FAILS_ONCE_THE_OTHERS_ARE_DONE, price=1e6)
    assert machine.end() == 40, machine.log.read_text()
    error = run.json("error.json")
    assert error["code"] == "STORAGE_UNAVAILABLE" and "https://s3" in error["message"]
    assert complete_checkpoints(run) == []


@pytest.mark.parametrize("rank", [0, 1], ids=["the one that uploads", "another"])
def test_rank_that_fails_is_the_cause_and_what_was_saved_is_uploaded(make_ranks, rank):
    run, machine = make_ranks(
        UPLOAD_LASTS_UNTIL_OTHERS_HANG + MEMORY_RUNS_OUT.format(rank=rank), ROSLIN_HANG_SECONDS="3"
    )
    assert machine.end() == 21, machine.log.read_text()
    assert "in the middle of a step" in run.json("error.json")["message"]
    assert "epoch-0001" in complete_checkpoints(run)


def test_what_was_saved_is_uploaded_where_all_ranks_hang(make_ranks):
    run, machine = make_ranks(UPLOAD_LASTS_UNTIL_OTHERS_HANG + STANDS_STILL, ROSLIN_HANG_SECONDS="3")
    assert machine.end() == 22, machine.log.read_text()
    assert "epoch-0001" in complete_checkpoints(run)


def test_rank_can_say_that_the_disk_is_full(make_ranks, small_disk):
    run, machine = make_ranks(DISK_FILLS_UP, ROSLIN_SCRATCH_DIR=str(small_disk))
    assert machine.end() == 31, machine.log.read_text()
    assert run.json("error.json")["code"] == "DISK_FULL"
