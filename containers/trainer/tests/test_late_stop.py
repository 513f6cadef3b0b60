"""Told to stop when the last step is done already: what was saved gets to storage, and nothing new begins."""

import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import Run

from roslin_trainer import launch
from roslin_trainer.engine import TorchEngine
from roslin_trainer.errors import TrainerError
from roslin_trainer.inputs import Inputs
from roslin_trainer.nodes import Nodes
from roslin_trainer.signals import StopSignal
from roslin_trainer.storage import LocalFolder


@pytest.fixture
def run(make_run) -> Run:
    run = make_run(training={"method": "lora", "epochs": 2})
    assert run.step("prepare") == 0
    return run


def tell_to_stop_during_upload(monkeypatch, checkpoint: str) -> None:
    original, told = LocalFolder.upload, []

    def upload(self, source, path):
        if checkpoint in str(self.root) and not told:
            told.append(os.kill(os.getpid(), signal.SIGTERM))
            time.sleep(1)
        original(self, source, path)

    monkeypatch.setattr(LocalFolder, "upload", upload)


def assert_stopped_after_the_last_epoch(run: Run) -> None:
    assert run.json("error.json")["code"] == "INTERRUPTED"
    assert run.json("checkpoints/epoch-0002/manifest.json")["epoch"] == 2
    assert run.files("models") == []


def test_last_checkpoint_is_uploaded_before_the_end(run, monkeypatch):
    with monkeypatch.context() as patch:
        tell_to_stop_during_upload(patch, "epoch-0002")
        assert run.step("train") == 20
    assert_stopped_after_the_last_epoch(run)
    assert run.step("train") == 0
    assert (run.root / "models/test/01TEST/manifest.json").exists()


def test_limit_that_ended_training_stays_the_reason(run, monkeypatch):
    run.content["recipe"]["limits"] = {"maxHours": 1e-7}
    run.write()
    tell_to_stop_during_upload(monkeypatch, "step-000001")
    assert run.step("train") == 24
    assert run.json("error.json")["code"] == "TIME_LIMIT_REACHED"
    assert run.json("checkpoints/step-000001/manifest.json")


def test_stop_during_the_last_measurement_is_not_forgotten(run, monkeypatch):
    original, calls = TorchEngine.loss_sum, []

    def loss_sum(self, rows):
        calls.append(1)
        # Before training, after each epoch.
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, rows)

    monkeypatch.setattr(TorchEngine, "loss_sum", loss_sum)
    assert run.step("train") == 20
    assert_stopped_after_the_last_epoch(run)


def test_supervisor_that_is_told_while_its_ranks_end_publishes_nothing(tmp_path, monkeypatch):
    """In torchrun's place stands a process that tells its parent to stop, and ends well."""
    tell_parent = "import os, signal; os.kill(os.getppid(), signal.SIGTERM)"
    popen = subprocess.Popen
    monkeypatch.setattr(
        launch.subprocess, "Popen", lambda command, **settings: popen([sys.executable, "-c", tell_parent])
    )
    inputs = Inputs(tmp_path / "scratch")
    with pytest.raises(TrainerError) as raised:
        launch.run_ranks(2, Nodes(), "plan.json", LocalFolder(tmp_path), inputs, StopSignal())
    assert raised.value.exit_code == 20
