"""DeepSpeed for real: two ranks on the CPU, against plain PyTorch in one process."""

import os
import shutil
import signal
import sys
import threading
import time

import pytest
from conftest import Run

from roslin_trainer import train_step
from roslin_trainer.launch import run_ranks

pytest.importorskip("deepspeed", reason="deepspeed is not installed")
pytestmark = pytest.mark.skipif(
    not shutil.which("g++"), reason="DeepSpeed compiles its CPU collectives, and there is no C++ compiler"
)


def train_with_two_ranks(run: Run) -> int:
    """The train step as on a machine with two GPUs, on the CPU."""

    def start(plan, inputs, stop):
        run_ranks(2, str(run.plan_path), inputs, stop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_step, "run_rank", start)
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        return run.step("train")


def assert_same_training(found: dict, expected: dict) -> None:
    assert found["worldSize"] == 2
    assert found["series"]["step"] == expected["series"]["step"]
    assert found["series"]["loss"] == pytest.approx(expected["series"]["loss"], abs=1e-4)
    assert found["series"]["gradientNorm"] == pytest.approx(expected["series"]["gradientNorm"], rel=1e-3)
    for ours, theirs in zip(found["heldOutLoss"], expected["heldOutLoss"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)


@pytest.mark.parametrize("method, sharding", [("lora", "auto"), ("full", "zero2")])
def test_two_ranks_train_as_one_process(make_run, method, sharding):
    training = {"method": method, "sharding": sharding, "epochs": 1}
    training |= {"batchSizePerGpu": 2, "gradientAccumulationSteps": 2}
    both = make_run(name="both", training=training)
    one = make_run(name="one", training={**training, "batchSizePerGpu": 4})
    both.step("prepare"), one.step("prepare")
    assert train_with_two_ranks(both) == one.step("train") == 0
    assert_same_training(both.json("metrics.json"), one.json("metrics.json"))


def test_two_ranks_stopped_and_resumed_train_all_weights_as_one_process(make_run):
    training = {"method": "full", "batchSizePerGpu": 4, "epochs": 3, "sharding": "zero3"}
    run = make_run(name="stopped", training=training)
    one = make_run(name="one", training={**training, "batchSizePerGpu": 8})
    run.step("prepare"), one.step("prepare")

    def stop_after_the_first_epoch():
        deadline = time.monotonic() + 400
        while not list(run.folder.glob("checkpoints/*/manifest.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_after_the_first_epoch, daemon=True).start()
    assert train_with_two_ranks(run) == 20
    assert run.json("error.json")["code"] == "INTERRUPTED"
    assert train_with_two_ranks(run) == one.step("train") == 0
    assert_same_training(run.json("metrics.json"), one.json("metrics.json"))
    assert run.step("evaluate") == 0
    evaluation = run.json("evaluation.json")
    expected = one.json("metrics.json")["heldOutLoss"][3]["loss"]
    assert evaluation["models"][1]["heldOutLoss"] == pytest.approx(expected, abs=1e-4)
