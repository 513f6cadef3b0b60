"""A step has a folder on the scratch disk while it lives, and leaves none, however it ended."""

import os
import shutil
import signal
import time
from pathlib import Path
from unittest.mock import patch

import pytest
from conftest import Child

from roslin_trainer.scratch import LOCK_FILE, Scratch


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ROSLIN_SCRATCH_DIR", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def living_step(root):
    """A process that has a folder with a file, and goes on."""

    def work() -> int:
        (Scratch("01LIVING", "train").folder / "weights").write_bytes(b"-" * 1000)
        time.sleep(60)
        return 0

    child = Child(root.parent / "log", work)
    while not list(root.glob("*/weights")):
        time.sleep(0.01)
    yield child.process
    child.end(0)


def test_folder_goes_with_its_step(root):
    scratch = Scratch("01RUN", "train")
    (scratch.folder / "weights").write_text("-")
    scratch.remove()
    assert list(root.iterdir()) == []


def test_what_a_killed_step_left_goes_when_the_next_one_starts(root, living_step, capsys):
    os.kill(living_step.pid, signal.SIGKILL)
    living_step.join()
    (left,) = root.iterdir()
    scratch = Scratch("01NEXT", "train")
    assert list(root.iterdir()) == [scratch.folder]
    assert f"removed what a killed step had left: {left}" in capsys.readouterr().out
    scratch.remove()


def test_what_a_kill_leaves_of_a_removal_goes_too(root):
    def work() -> int:
        scratch = Scratch("01KILLED", "train")
        for name in ("base", "checkpoints"):
            (scratch.folder / name).mkdir()
        removed = []

        def remove_one(path: Path, **_) -> None:
            if removed:
                os.kill(os.getpid(), signal.SIGKILL)
            path.rmdir()
            removed.append(path)

        with patch.object(shutil, "rmtree", remove_one):
            scratch.remove()
        return 0

    assert Child(root.parent / "log", work).end() == -signal.SIGKILL
    assert len(list(root.glob("*/*"))) == 2, "its lock, and one of two folders"
    Scratch("01NEXT", "train").remove()
    assert list(root.iterdir()) == []


def test_folder_of_a_step_that_lives_stays(root, living_step):
    scratch = Scratch("01NEXT", "train")
    assert len(list(root.iterdir())) == 2
    assert [path.stat().st_size for path in root.glob("*/weights")] == [1000]
    scratch.remove()


def test_two_attempts_of_one_step_have_a_folder_each(root):
    first, second = Scratch("01RUN", "train"), Scratch("01RUN", "train")
    assert first.folder != second.folder
    assert sorted(root.iterdir()) == sorted([first.folder, second.folder])
    first.remove(), second.remove()


def test_folders_of_others_stay(root):
    (root / "roslin-no-lock").mkdir(parents=True)
    (root / "other").mkdir()
    (root / "other" / LOCK_FILE).touch()
    Scratch("01RUN", "train").remove()
    assert sorted(path.name for path in root.iterdir()) == ["other", "roslin-no-lock"]
