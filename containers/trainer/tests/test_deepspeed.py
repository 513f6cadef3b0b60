"""DeepSpeed ZeRO-3 for real: two ranks on the CPU, against plain PyTorch in one process."""

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
        patch.setenv("OMP_NUM_THREADS", "1")
        return run.step("train")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_ranks_train_as_one_process(make_run, method):
    training = {"method": method, "batchSizePerGpu": 2, "gradientAccumulationSteps": 2, "epochs": 1}
    both = make_run(name="both", training=training)
    one = make_run(name="one", training={**training, "batchSizePerGpu": 4})
    both.step("prepare"), one.step("prepare")
    assert train_with_two_ranks(both) == one.step("train") == 0
    found, expected = both.json("metrics.json"), one.json("metrics.json")
    assert found["worldSize"] == 2
    assert found["series"]["loss"] == pytest.approx(expected["series"]["loss"], abs=1e-4)
    assert found["series"]["gradientNorm"] == pytest.approx(expected["series"]["gradientNorm"], rel=1e-3)
    for ours, theirs in zip(found["heldOutLoss"], expected["heldOutLoss"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
    assert both.step("evaluate") == 0
    assert both.json("evaluation.json")["models"][1]["heldOutLoss"] == pytest.approx(
        expected["heldOutLoss"][1]["loss"], abs=1e-4
    )


def test_sigterm_reaches_every_rank_and_the_run_resumes_exactly(make_run):
    training = {"method": "lora", "batchSizePerGpu": 1, "epochs": 60, "keepEpochs": [60]}
    run, alone = make_run(name="stopped", training=training), make_run(name="alone", training=training)
    run.step("prepare"), alone.step("prepare")

    def stop_when_it_trains():
        deadline = time.monotonic() + 90
        while not list(run.folder.glob("checkpoints/*/manifest.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_it_trains, daemon=True).start()
    assert train_with_two_ranks(run) == 20
    assert run.json("error.json")["code"] == "INTERRUPTED"
    assert train_with_two_ranks(run) == train_with_two_ranks(alone) == 0
    for column in ("step", "loss"):
        assert run.json("metrics.json")["series"][column] == alone.json("metrics.json")["series"][column]


def test_reason_of_a_rank_that_fails_is_kept(make_run):
    run = make_run(training={"learningRate": 1e30, "warmupSteps": 0, "schedule": "constant", "epochs": 1})
    run.step("prepare")
    assert train_with_two_ranks(run) == 23
    assert run.json("error.json")["code"] == "TRAINING_DIVERGED"
