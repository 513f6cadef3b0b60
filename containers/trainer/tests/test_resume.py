"""A run that was stopped or killed and started again equals one that was left alone."""

import json
import os
import random
import signal
from pathlib import Path

import pytest
from conftest import ROWS, Run

from roslin_trainer.engine import TorchEngine
from roslin_trainer.saver import CheckpointSaver

STEPS_PER_EPOCH = 5


def train_alone(make_run, training: dict) -> Run:
    run = make_run(name="alone", training=training)
    run.step("prepare")
    assert run.step("train") == 0
    return run


@pytest.fixture(scope="module")
def alone(tmp_path_factory, model_folders) -> dict[str, Run]:
    """A run of each method that nobody stops."""
    runs = {}
    for method in ("full", "lora"):
        root = tmp_path_factory.mktemp(method)
        runs[method] = Run(root, model_folders["llama"], stopped_training(method), {}, ROWS)
        runs[method].step("prepare")
        assert runs[method].step("train") == 0
    return runs


def stopped_training(method: str) -> dict:
    return {"method": method, "lora": {"rank": 4, "alpha": 8, "dropout": 0.1}}


def assert_equal(resumed: Run, alone: Run) -> None:
    found, expected = resumed.json("metrics.json"), alone.json("metrics.json")
    for column in ("step", "loss", "learningRate", "gradientNorm"):
        assert found["series"][column] == expected["series"][column]
    for field in ("lossFirst", "lossLast", "heldOutLoss", "step", "totalSteps"):
        assert found[field] == expected[field]
    model = "models/test/01TEST/model.safetensors"
    assert (resumed.root / model).read_bytes() == (alone.root / model).read_bytes()


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("stop_at", [1, 5, 7])
def test_sigterm_saves_and_resumes_exactly(make_run, monkeypatch, alone, method, stop_at):
    run = make_run(name="stopped", training=stopped_training(method))
    run.step("prepare")
    original, calls = TorchEngine.accumulate, []

    def accumulate(self, *arguments):
        calls.append(1)
        if len(calls) == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(TorchEngine, "accumulate", accumulate)
        assert run.step("train") == 20
    assert run.json("error.json")["code"] == "INTERRUPTED"
    at_epoch_end = stop_at % STEPS_PER_EPOCH == 0
    name = f"epoch-{stop_at // STEPS_PER_EPOCH:04}" if at_epoch_end else f"step-{stop_at:06}"
    manifest = run.json(f"checkpoints/{name}/manifest.json")
    assert manifest["epoch"] == pytest.approx(stop_at / STEPS_PER_EPOCH)
    assert len(calls) == stop_at

    assert run.step("train") == 0
    assert_equal(run, alone[method])
    assert not (run.folder / "error.json").exists()
    assert [path.parent.name for path in run.folder.glob("checkpoints/*/manifest.json")] == ["epoch-0002"]


@pytest.mark.parametrize(("call", "checkpoints"), [(1, []), (3, ["epoch-0001"])])
def test_measurement_is_broken_off_and_made_up_for(make_run, monkeypatch, call, checkpoints):
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    original, calls = TorchEngine.loss_sum, []

    def loss_sum(self, rows):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, rows)

    with monkeypatch.context() as patch:
        # Two calls for the two rows that are held out, before training and after each epoch.
        patch.setattr("roslin_trainer.batches.MOST_ROWS_MEASURED", 1)
        patch.setattr(TorchEngine, "loss_sum", loss_sum)
        assert run.step("train") == 20
    assert len(calls) == call
    assert [path.parent.name for path in run.folder.glob("checkpoints/*/manifest.json")] == checkpoints
    assert run.step("train") == 0
    metrics = run.json("metrics.json")
    assert [point["epoch"] for point in metrics["heldOutLoss"]] == [0, 1, 2]
    assert metrics["series"]["step"] == list(range(1, 2 * STEPS_PER_EPOCH + 1))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_run_killed_at_a_random_step_resumes_exactly(make_run, monkeypatch, method):
    training = {"method": method, "epochs": 4, "lora": {"rank": 4, "alpha": 8, "dropout": 0.2}}
    kill_at = random.randrange(4, 4 * STEPS_PER_EPOCH)
    print(f"killed in step {kill_at}")
    alone = train_alone(make_run, training)
    run = make_run(name="killed", training=training)
    run.step("prepare")
    original, steps = TorchEngine.update, []

    def update_or_die(self, rate):
        steps.append(1)
        if len(steps) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, rate)

    with monkeypatch.context() as patch:
        patch.setattr(TorchEngine, "update", update_or_die)
        # Within an epoch too: every third step.
        patch.setattr(CheckpointSaver, "is_due", lambda self: len(steps) % 3 == 2)
        assert run.start("scratch").end() == -signal.SIGKILL
    assert not (run.root / "models/test/01TEST/manifest.json").exists()
    assert run.step("train") == 0
    assert_equal(run, alone)
    assert list((run.root / "scratch").iterdir()) == []


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize("damage", [changed, Path.unlink])
def test_half_written_or_damaged_checkpoint_is_not_resumed_from(make_run, capsys, damage):
    training = {"method": "lora", "epochs": 3, "keepEpochs": [1, 2, 3]}
    alone = train_alone(make_run, training)
    run = make_run(name="damaged", training=training)
    run.step("prepare"), run.step("train")
    checkpoints = run.folder / "checkpoints"
    (checkpoints / "epoch-0003" / "manifest.json").unlink()
    damage(checkpoints / "epoch-0002" / "adapter_model.safetensors")
    before = (checkpoints / "epoch-0001/manifest.json").stat().st_mtime_ns
    (run.root / "models/test/01TEST/manifest.json").unlink()
    assert run.step("train") == 0
    assert "epoch-0002 is damaged" in capsys.readouterr().out
    assert_equal(run, alone)
    assert (checkpoints / "epoch-0001/manifest.json").stat().st_mtime_ns == before
    assert not (checkpoints / "epoch-0002/damaged").exists(), "it has been written anew"
    position = json.loads((checkpoints / "epoch-0003/state/position.json").read_text())
    assert position["step"] == 3 * STEPS_PER_EPOCH
