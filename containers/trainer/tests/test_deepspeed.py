"""DeepSpeed for real: two ranks on the CPU, against plain PyTorch in one process."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Run, child_environment

pytest.importorskip("deepspeed", reason="deepspeed is not installed")
pytestmark = pytest.mark.skipif(
    not shutil.which("g++"), reason="DeepSpeed compiles its CPU collectives, and there is no C++ compiler"
)


without_bitsandbytes = pytest.mark.skipif(
    not find_spec("bitsandbytes"), reason="bitsandbytes is not installed (the gpu extra)"
)


def train_with_two_ranks(run: Run) -> int:
    """The train step as on a machine with two GPUs, on the CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROSLIN_CPU_RANKS", "2")
        patch.setenv("PYTHONPATH", child_environment()["PYTHONPATH"])
        return run.step("train")


def assert_same_training(found: dict, expected: dict) -> None:
    assert found["worldSize"] == 2
    assert found["series"]["step"] == expected["series"]["step"]
    assert found["series"]["loss"] == pytest.approx(expected["series"]["loss"], abs=1e-4)
    assert found["series"]["gradientNorm"] == pytest.approx(expected["series"]["gradientNorm"], rel=1e-3)
    for ours, theirs in zip(found["heldOutLoss"], expected["heldOutLoss"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)


@pytest.mark.parametrize(
    "method, sharding",
    [("lora", "auto"), ("full", "zero2"), pytest.param("qlora", "auto", marks=without_bitsandbytes)],
)
def test_two_ranks_train_as_one_process(make_run, method, sharding):
    training = {"method": method, "sharding": sharding, "epochs": 1}
    training |= {"batchSizePerGpu": 2, "gradientAccumulationSteps": 2}
    both = make_run(name="both", training=training)
    one = make_run(name="one", training={**training, "batchSizePerGpu": 4})
    both.step("prepare"), one.step("prepare")
    assert train_with_two_ranks(both) == one.step("train") == 0
    assert_same_training(both.json("metrics.json"), one.json("metrics.json"))


class Machine:
    """The trainer's real entry point in a process of its own, as on a machine with a GPU or two."""

    def __init__(self, run: Run, name: str, ranks: int, **environment: str):
        self.scratch = run.root / name
        self.log = run.root / f"{name}.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "roslin_trainer", "train"],
            env=child_environment(
                ROSLIN_PLAN_URI=str(run.plan_path),
                ROSLIN_SCRATCH_DIR=str(self.scratch),
                ROSLIN_CPU_RANKS=str(ranks),
                GLOO_SOCKET_IFNAME="lo",
                **environment,
            ),
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )

    def ranks(self) -> list[int]:
        return [int(file.read_text()) for file in sorted(self.scratch.glob("*/ranks/*.pid"))]

    def end(self) -> int:
        try:
            return self.process.wait(timeout=180)
        finally:
            self.process.kill()


def wait_for(what, seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """A process that nobody has reaped yet does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def has_checkpoint(run: Run) -> bool:
    return any(run.folder.glob("checkpoints/*/manifest.json"))


def test_killed_supervisor_leaves_no_orphans_and_the_run_resumes_bitwise(make_run):
    training = {"method": "lora", "epochs": 20, "lora": {"rank": 4, "alpha": 8, "dropout": 0.2}}
    run, alone = make_run(name="killed", training=training), make_run(name="alone", training=training)
    run.step("prepare"), alone.step("prepare")
    machine = Machine(run, "machine", ranks=2)
    wait_for(lambda: has_checkpoint(run))
    ranks = machine.ranks()
    machine.process.kill()
    machine.process.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in ranks), seconds=10)
    assert len(ranks) == 2 and not (run.root / "models/test/01TEST/manifest.json").exists()
    assert train_with_two_ranks(run) == train_with_two_ranks(alone) == 0
    found, expected = run.json("metrics.json"), alone.json("metrics.json")
    for column in ("step", "loss", "gradientNorm", "paddingFraction"):
        assert found["series"][column] == expected["series"][column]
    assert found["heldOutLoss"] == expected["heldOutLoss"]


def test_rank_that_stands_still_is_found_and_all_stacks_are_shown(make_run):
    run = make_run(training={"method": "lora", "epochs": 500})
    run.step("prepare")
    machine = Machine(run, "machine", ranks=2, ROSLIN_HANG_SECONDS="3")
    wait_for(lambda: has_checkpoint(run))
    ranks = machine.ranks()
    os.kill(ranks[1], signal.SIGSTOP)
    assert machine.end() == 22
    assert run.json("error.json")["code"] == "HUNG"
    log = machine.log.read_text()
    assert "stacks of rank 0:" in log and "deepspeed_engine.py" in log
    assert "stacks of rank 1:\n(it did not answer)" in log
    assert not any(is_alive(pid) for pid in ranks)


def test_two_nodes_stop_together_resume_and_train_as_one_process(make_run, free_port):
    training = {"method": "full", "batchSizePerGpu": 4, "epochs": 8, "sharding": "zero3"}
    run = make_run(name="nodes", training=training)
    one = make_run(name="one", training={**training, "batchSizePerGpu": 8})
    run.step("prepare"), one.step("prepare")
    batch = {"AWS_BATCH_JOB_NUM_NODES": "2", "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0", "MASTER_PORT": free_port}

    def start() -> list[Machine]:
        # Batch tells the main node's address to the other one only.
        address = {"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "127.0.0.2"}
        return [
            Machine(run, "node-0", 1, **batch, AWS_BATCH_JOB_NODE_INDEX="0"),
            Machine(run, "node-1", 1, **batch, AWS_BATCH_JOB_NODE_INDEX="1", **address),
        ]

    nodes = start()
    wait_for(lambda: has_checkpoint(run))
    nodes[1].process.terminate()
    assert [node.end() for node in nodes] == [20, 20]
    newest = max(run.folder.glob("checkpoints/*/manifest.json"), key=lambda file: file.stat().st_mtime_ns)
    files = {file["path"] for file in json.loads(newest.read_text())["files"]}
    assert {"state/rank-0-torch.pt", "state/rank-1-torch.pt", "state/position.json"} <= files
    assert not (newest.parent / "parts").exists() or not list((newest.parent / "parts").iterdir())

    nodes = start()
    wait_for(lambda: all(node.ranks() for node in nodes))
    fetched = [{file.name for file in node.scratch.glob("*/checkpoint/state/*-torch.pt")} for node in nodes]
    assert fetched == [{"rank-0-torch.pt"}, {"rank-1-torch.pt"}]
    assert [node.end() for node in nodes] == [0, 0]
    assert "resuming at step" in nodes[0].log.read_text()
    assert one.step("train") == 0
    assert_same_training(run.json("metrics.json"), one.json("metrics.json"))
    assert run.step("evaluate") == 0
    expected = one.json("metrics.json")["heldOutLoss"][-1]["loss"]
    assert run.json("evaluation.json")["models"][1]["heldOutLoss"] == pytest.approx(expected, abs=1e-4)


@pytest.fixture
def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])
