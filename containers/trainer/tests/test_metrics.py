import gzip
import json
import math
import time

import pytest

from roslin_trainer import metrics as module
from roslin_trainer.budget import Budget, Spent
from roslin_trainer.metrics import COLUMNS, MAX_POINTS, Metrics, Series, StepNumbers
from roslin_trainer.plan import Limits
from roslin_trainer.raw_series import RawSeries
from roslin_trainer.storage import LocalFolder


def new_metrics(tmp_path, budget=None) -> Metrics:
    folder = LocalFolder(tmp_path)
    budget = budget or Budget(Limits(24, None, 0), time.time())
    raw = RawSeries(folder, tmp_path)
    return Metrics(folder, "cpu", 1, steps_per_epoch=10, epochs=2, budget=budget, raw=raw)


def a_step(loss=1.0, norm=1.0, seconds=1.0) -> StepNumbers:
    counts = {"rows": 4, "tokens": 100, "supervised_tokens": 40, "padding_tokens": 25}
    return StepNumbers(loss, 0.1, norm, **counts, seconds=seconds)


@pytest.fixture
def metrics(tmp_path):
    return new_metrics(tmp_path)


def read(tmp_path) -> dict:
    return json.loads((tmp_path / "metrics.json").read_text())


def test_first_object_is_there_before_the_first_step(metrics, tmp_path):
    metrics.start()
    value = read(tmp_path)
    metrics.close()
    assert (value["step"], value["totalSteps"], value["epoch"], value["epochs"]) == (0, 20, 0, 2)
    assert value["tokensPerSecond"] is value["etaSeconds"] is value["lossFirst"] is value["lossLast"] is None
    assert value["series"] == {name: [] for name in COLUMNS}
    assert value["updatedAt"].endswith("+00:00")


def test_numbers_of_steps(metrics, tmp_path):
    metrics.start()
    for loss in range(20, 10, -1):
        metrics.add_step(a_step(float(loss), seconds=0.5))
    metrics.add_held_out(1, 3.5)
    line = metrics.line()
    metrics.close()
    value = read(tmp_path)
    assert (value["lossFirst"], value["lossLast"]) == (20, 11)
    assert (value["tokensPerSecond"], value["etaSeconds"], value["epoch"]) == (200, 5, 1)
    assert (value["samplesPerSecond"], value["supervisedTokensPerSecond"]) == (8, 80)
    assert (value["paddingFraction"], value["stepSeconds"]) == (0.2, 0.5)
    last = {name: column[-1] for name, column in value["series"].items()}
    assert last == {
        "step": 10,
        "loss": 11,
        "learningRate": 0.1,
        "gradientNorm": 1,
        "tokensPerSecond": 200,
        "samplesPerSecond": 8,
        "supervisedTokensPerSecond": 80,
        "paddingFraction": 0.2,
        "stepSeconds": 0.5,
    }
    assert value["heldOutLoss"] == [{"epoch": 1, "loss": 3.5}]
    assert value["series"]["step"] == list(range(1, 11))
    assert line == "epoch 1.00/2 step 10/20 loss 11.000 200 tokens/s eta 5s"


def test_written_while_training(metrics, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.02)
    metrics.start()
    metrics.add_step(a_step())
    deadline = time.monotonic() + 5
    while read(tmp_path)["step"] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert read(tmp_path)["step"] == 1
    metrics.close()


@pytest.mark.parametrize(("elapsed", "seconds"), [(0, 2), (120, 2), (300, 5), (600, 10), (100_000, 10)])
def test_a_long_run_is_written_less_often(elapsed, seconds):
    assert module.flush_seconds(elapsed) == seconds


def test_series_stays_bounded_and_true():
    series = Series()
    for step in range(1, 5_001):
        series.add(step, 2.0 * step, *[1.0] * (len(COLUMNS) - 2))
    columns = series.columns
    assert {len(column) for column in columns.values()} == {len(columns["step"])}
    assert MAX_POINTS // 2 <= len(columns["step"]) < MAX_POINTS
    assert columns["loss"] == pytest.approx([2 * step for step in columns["step"]])
    assert columns["step"] == sorted(columns["step"]) and columns["step"][0] == 4.5


def test_values_have_six_digits(metrics, tmp_path):
    for loss in (1.23456789, 2.0):
        metrics.add_step(a_step(loss))
    metrics.raw_upload()()
    metrics.start(), metrics.close()
    assert read(tmp_path)["series"]["loss"] == [1.23457, 2]
    with gzip.open(tmp_path / "metrics" / "series-0001.jsonl.gz", "rt") as file:
        assert [json.loads(line)["loss"] for line in file] == [1.23457, 2]


def test_the_raw_series_counts_steps_beyond_six_digits(metrics, tmp_path):
    metrics.restore(metrics.state() | {"step": 1_234_566})
    metrics.add_step(a_step())
    metrics.raw_upload()()
    with gzip.open(tmp_path / "metrics" / "series-0001.jsonl.gz", "rt") as file:
        assert [json.loads(line)["step"] for line in file] == [1_234_567]


def test_restored_metrics_go_on(metrics, tmp_path):
    for loss in (4.0, 3.0):
        metrics.add_step(a_step(loss))
    metrics.skip_step()
    metrics.add_held_out(0, 5.0)
    state = json.loads(json.dumps(metrics.state()))
    other = new_metrics(tmp_path)
    other.restore(state)
    for each in (metrics, other):
        each.add_step(a_step(2.0))
    assert other.state() == metrics.state() and other.has_held_out(0)


def test_cost_so_far_counts_earlier_attempts(tmp_path):
    now = [1000.0]
    budget = Budget(Limits(24, 50, 36.0), started_at=900.0, earlier=Spent(3600, 30), clock=lambda: now[0])
    metrics = new_metrics(tmp_path, budget)
    metrics.start(), metrics.close()
    assert (read(tmp_path)["elapsedSeconds"], read(tmp_path)["costUsd"]) == (3700, 31)


def test_a_skipped_step_counts_but_is_no_point_of_the_curve(metrics, tmp_path):
    metrics.add_step(a_step(norm=math.inf))
    metrics.skip_step()
    metrics.start(), metrics.close()
    value = read(tmp_path)
    assert (value["step"], value["skippedSteps"], value["series"]["loss"]) == (2, 1, [1.0])
    assert value["series"]["gradientNorm"] == [None]


def test_raw_series_has_every_step_of_each_attempt(tmp_path):
    folder, scratch = LocalFolder(tmp_path / "run"), tmp_path
    for attempt, steps in ((1, range(1, 2_501)), (2, range(2_400, 2_500))):
        raw = RawSeries(folder, scratch)
        assert raw.name == f"series-{attempt:04}.jsonl.gz"
        for step in steps:
            raw.add({"step": step, "loss": 0.5})
            if step == 1_500:
                # At a checkpoint: what is there is uploaded, and more follows.
                raw.snapshot()()
        raw.snapshot()()
        with gzip.open(tmp_path / "run" / "metrics" / raw.name, "rt") as file:
            assert [json.loads(line)["step"] for line in file] == list(steps)
