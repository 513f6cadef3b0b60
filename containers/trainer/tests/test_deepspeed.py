"""DeepSpeed ZeRO-3 for real: two ranks on the CPU, against plain PyTorch."""

import shutil

import pytest

from roslin_trainer import train_step
from roslin_trainer.launch import run_ranks

pytest.importorskip("deepspeed", reason="deepspeed is not installed")
if not shutil.which("g++"):
    pytest.skip(
        "DeepSpeed compiles its CPU collectives, and there is no C++ compiler", allow_module_level=True
    )


@pytest.fixture
def two_ranks(monkeypatch):
    """The train step with two ranks on the CPU, where it would run one process."""
    monkeypatch.setattr(
        train_step, "run_rank", lambda plan, inputs, stop: run_ranks(2, plan_uri["now"], inputs, stop)
    )
    plan_uri = {}
    monkeypatch.setenv("PYTHONPATH", ":".join(__import__("sys").path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def train(run) -> int:
        plan_uri["now"] = str(run.plan_path)
        return run.step("train")

    return train


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_ranks_train_as_one(make_run, two_ranks, method):
    training = {"method": method, "batchSizePerGpu": 2, "gradientAccumulationSteps": 2, "epochs": 1}
    both = make_run(name="both", training=training)
    one = make_run(name="one", training={**training, "batchSizePerGpu": 4})
    with pytest.MonkeyPatch.context():
        both.step("prepare"), one.step("prepare")
        assert two_ranks(both) == 0
    found = both.json("metrics.json")
    from roslin_trainer.rank import run_rank

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_step, "run_rank", run_rank)
        assert one.step("train") == 0
    expected = one.json("metrics.json")
    assert found["worldSize"] == 2
    for column in ("loss", "gradientNorm"):
        assert found["series"][column] == pytest.approx(expected["series"][column], abs=2e-4)
    assert found["heldOutLoss"][1]["loss"] == pytest.approx(expected["heldOutLoss"][1]["loss"], abs=1e-3)
