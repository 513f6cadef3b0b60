import math

import pytest

from roslin_trainer import saver
from roslin_trainer.checkpoint_interval import CheckpointInterval


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def interval(purchase="spot", save_seconds=None, upload_seconds=0.0) -> CheckpointInterval:
    interval = CheckpointInterval(purchase, Clock())
    if save_seconds is not None:
        interval.saved(save_seconds)
    interval.uploaded(upload_seconds)
    return interval


def test_young_s_formula_from_the_measured_save():
    found = interval("spot", save_seconds=4)
    assert found.seconds == pytest.approx(math.sqrt(2 * 4 * 7200))
    assert "training up 4.0 s (measured), spot machines are taken to last 2 h" in found.reason
    assert interval("on-demand", save_seconds=4).seconds > found.seconds


def test_until_then_a_save_is_assumed():
    assert "10.0 s (assumed)" in interval().reason
    assert interval().seconds == 500


@pytest.mark.parametrize(
    ("save_seconds", "upload_seconds", "seconds", "because"),
    [
        (60, 0, 3000, "saving may take 2% of the time"),
        (1, 400, 600, "an upload takes 400 s"),
        (0.01, 0, 60, "never more often than every 60 s"),
    ],
)
def test_saving_stays_cheap(save_seconds, upload_seconds, seconds, because):
    found = interval("spot", save_seconds, upload_seconds)
    assert found.seconds == pytest.approx(seconds) and because in found.reason


def test_due_after_the_interval():
    clock = Clock()
    interval = CheckpointInterval("spot", clock)
    interval.saved(0.01)
    clock.now = 59.9
    assert not interval.is_due()
    clock.now = 60
    assert interval.is_due()
    interval.saved(0.01)
    assert not interval.is_due()


def test_checkpoints_within_an_epoch_replace_each_other(make_run, monkeypatch):
    run = make_run(training={"method": "lora", "epochs": 2})
    run.step("prepare")
    monkeypatch.setattr(CheckpointInterval, "is_due", lambda self: True)
    original, saved = saver.CheckpointSaver.save, []

    def save(self, name, *arguments):
        saved.append(name)
        original(self, name, *arguments)
        # As in a long run: each upload is done before the next save.
        self._uploader._work.join()

    monkeypatch.setattr(saver.CheckpointSaver, "save", save)
    assert run.step("train") == 0
    steps = [f"step-{step:06}" for step in range(1, 10) if step != 5]
    assert saved == [*steps[:4], "epoch-0001", *steps[4:], "epoch-0002"]
    assert {path.split("/")[0] for path in run.files("runs/01TEST/checkpoints")} == {"epoch-0002"}
