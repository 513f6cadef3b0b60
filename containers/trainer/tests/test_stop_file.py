"""`cancel --now`: a file beside the plan says that the job is to end at once, without a checkpoint."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from roslin_trainer import launch
from roslin_trainer.engine import TorchEngine
from roslin_trainer.errors import TrainerError
from roslin_trainer.inputs import Inputs
from roslin_trainer.nodes import Nodes
from roslin_trainer.signals import StopSignal
from roslin_trainer.stop_file import forbids_checkpoint
from roslin_trainer.storage import LocalFolder

STEP_SECONDS = 60


@pytest.fixture
def slow_run(make_run, monkeypatch):
    """A run whose third step takes a minute."""
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    original, calls = TorchEngine.accumulate, []

    def accumulate(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            (run.root / "in-step-3").touch()
            time.sleep(STEP_SECONDS)
        return original(self, *arguments)

    monkeypatch.setattr(TorchEngine, "accumulate", accumulate)
    return run


def write_stop(run, content: str, job="job-1") -> None:
    (run.folder / "stops").mkdir()
    (run.folder / f"stops/{job}.json").write_text(content)


def test_process_ends_at_once_and_without_a_checkpoint(slow_run):
    child = slow_run.start("scratch", AWS_BATCH_JOB_ID="job-1")
    wait_for(slow_run.root / "in-step-3")
    write_stop(slow_run, '{"checkpoint": false}')
    told = time.monotonic()
    os.kill(child.process.pid, signal.SIGTERM)
    assert child.end() == 20
    assert time.monotonic() - told < STEP_SECONDS / 2
    error = slow_run.json("error.json")
    assert error["code"] == "INTERRUPTED" and "at once, without a checkpoint" in error["message"]
    assert list(slow_run.folder.glob("checkpoints/*")) == []
    assert list((slow_run.root / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    "content", [None, "{}", '{"checkpoint": true}', "not JSON"], ids=["none", "empty", "with", "damaged"]
)
def test_without_such_a_file_there_is_a_checkpoint(make_run, monkeypatch, content):
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job-1")
    if content is not None:
        write_stop(run, content)
    # Another job's is not this one's.
    (run.folder / "stops").mkdir(exist_ok=True)
    (run.folder / "stops/job-2.json").write_text('{"checkpoint": false}')
    original, calls = TorchEngine.accumulate, []

    def accumulate(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)
        return original(self, *arguments)

    monkeypatch.setattr(TorchEngine, "accumulate", accumulate)
    assert run.step("train") == 20
    assert run.json("checkpoints/step-000003/manifest.json")


def test_storage_that_does_not_answer_keeps_the_checkpoint(monkeypatch, capsys):
    class Broken:
        def read(self, path):
            raise OSError("the network is away")

    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job-1")
    assert forbids_checkpoint(Broken()) is False
    assert "stops/job-1.json cannot be read: the network is away" in capsys.readouterr().out


def test_ranks_are_killed_and_not_told_to_save(tmp_path, monkeypatch):
    """In torchrun's place stands a process that would never end."""
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job-1")
    folder = LocalFolder(tmp_path)
    folder.write("stops/job-1.json", b'{"checkpoint": false}')
    started, popen = [], subprocess.Popen

    def start(command, **settings):
        started.append(popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        return started[0]

    monkeypatch.setattr(launch.subprocess, "Popen", start)
    stop = StopSignal()
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(TrainerError, match="at once, without a checkpoint") as raised:
        launch.run_ranks(2, Nodes(), "plan.json", folder, Inputs(tmp_path / "scratch"), stop)
    assert raised.value.exit_code == 20
    assert started[0].returncode == -signal.SIGKILL


def wait_for(file, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
