"""A scratch disk that fills up while a checkpoint is written, by the writers that really write it."""

import errno
import os
import shutil
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from roslin_trainer.engine import TorchEngine
from roslin_trainer.errors import as_trainer_error
from roslin_trainer.raw_series import RawSeries
from roslin_trainer.storage import LocalFolder

MANY = torch.zeros(2**24)


def fill(disk: Path, left_bytes: int = 0) -> None:
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - left_bytes)


def failure(write, *arguments) -> Exception:
    with pytest.raises(Exception) as raised:
        write(*arguments)
    return raised.value


def free_bytes(monkeypatch, count: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(2**40, 0, count))


@pytest.mark.parametrize("tensor", [MANY, MANY[:8].clone()], ids=["many bytes", "few bytes"])
@pytest.mark.parametrize(("free", "code"), [(4096, "DISK_FULL"), (2**40, "INTERNAL")])
def test_torch_that_could_not_write_is_believed_where_nothing_is_left(monkeypatch, tensor, free, code):
    error = failure(torch.save, {"weight": tensor}, "/dev/full")
    free_bytes(monkeypatch, free)
    assert as_trainer_error(error).code == code


def test_error_that_led_to_another_counts(monkeypatch):
    free_bytes(monkeypatch, 2**40)
    # Closing it fails too.
    with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb") as file:
        error = failure(torch.save, {"weight": MANY}, file)
    assert isinstance(error, RuntimeError) and isinstance(error.__context__, OSError)
    assert as_trainer_error(error).code == "DISK_FULL"


def test_safetensors_says_it_in_words_alone(small_disk):
    fill(small_disk)
    error = failure(safetensors.torch.save_file, {"weight": MANY}, small_disk / "x.safetensors")
    assert not isinstance(error, OSError)
    assert as_trainer_error(error).code == "DISK_FULL"


def fill_in_step(monkeypatch, disk: Path, step: int) -> None:
    original, calls = TorchEngine.accumulate, []

    def accumulate(self, *arguments):
        calls.append(1)
        if len(calls) == step:
            # Enough for the model's settings, not for its weights.
            fill(disk, left_bytes=2**15)
        return original(self, *arguments)

    monkeypatch.setattr(TorchEngine, "accumulate", accumulate)


def test_run_whose_disk_fills_up_says_so_and_keeps_the_checkpoint_before(make_run, small_disk, monkeypatch):
    run = make_run(training={"method": "full"})
    assert run.step("prepare") == 0
    (run.root / "scratch").rmdir()
    (run.root / "scratch").symlink_to(small_disk)
    fill_in_step(monkeypatch, small_disk, step=7)
    # Else it would be the first to notice, with an error that names itself.
    monkeypatch.setattr(RawSeries, "flush", lambda self: None)
    assert run.step("train") == 31
    assert run.json("error.json")["code"] == "DISK_FULL"
    assert run.json("checkpoints/epoch-0001/manifest.json")


def test_numbers_that_no_longer_fit_do_not_break_off_an_upload(make_run, monkeypatch):
    run = make_run(training={"method": "lora"})
    assert run.step("prepare") == 0
    upload, accumulate, has_failed = LocalFolder.upload, TorchEngine.accumulate, []

    def upload_slowly(self, source, path):
        if "epoch-0001" in str(self.root):
            while not has_failed:
                time.sleep(0.01)
        upload(self, source, path)

    def fail_after_an_epoch(self, *arguments):
        if any((run.root / "scratch").glob("*/checkpoints/epoch-0001/state/position.json")):
            has_failed.append(1)
            raise MemoryError("in the middle of a step")
        return accumulate(self, *arguments)

    def flush(self):
        if has_failed:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalFolder, "upload", upload_slowly)
    monkeypatch.setattr(TorchEngine, "accumulate", fail_after_an_epoch)
    monkeypatch.setattr(RawSeries, "flush", flush)
    assert run.step("train") == 21
    assert run.json("checkpoints/epoch-0001/manifest.json")
