import json
import time

import pytest

from roslin_trainer import metrics as module
from roslin_trainer.metrics import COLUMNS, MAX_POINTS, Metrics, Series
from roslin_trainer.storage import LocalFolder


@pytest.fixture
def metrics(tmp_path):
    return Metrics(LocalFolder(tmp_path), "cpu", 1, steps_per_epoch=10, epochs=2)


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
        metrics.add_step(float(loss), 0.1, 1.5, tokens=100, seconds=0.5)
    metrics.add_held_out(1, 3.5)
    line = metrics.line()
    metrics.close()
    value = read(tmp_path)
    assert (value["lossFirst"], value["lossLast"]) == (20, 11)
    assert (value["tokensPerSecond"], value["etaSeconds"], value["epoch"]) == (200, 5, 1)
    assert value["heldOutLoss"] == [{"epoch": 1, "loss": 3.5}]
    assert value["series"]["step"] == list(range(1, 11))
    assert line == "epoch 1.00/2 step 10/20 loss 11.000 200 tokens/s eta 5s"


def test_written_while_training(metrics, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.02)
    metrics.start()
    metrics.add_step(1.0, 0.1, 1.0, tokens=1, seconds=1.0)
    deadline = time.monotonic() + 5
    while read(tmp_path)["step"] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert read(tmp_path)["step"] == 1
    metrics.close()


def test_series_stays_bounded_and_true():
    series = Series()
    for step in range(1, 5_001):
        series.add(step, 2.0 * step, 0.1, 1.0, 10.0)
    columns = series.columns
    assert {len(column) for column in columns.values()} == {len(columns["step"])}
    assert MAX_POINTS // 2 <= len(columns["step"]) < MAX_POINTS
    assert columns["loss"] == pytest.approx([2 * step for step in columns["step"]])
    assert columns["step"] == sorted(columns["step"]) and columns["step"][0] == 4.5


def test_restored_metrics_go_on(metrics, tmp_path):
    for loss in (4.0, 3.0):
        metrics.add_step(loss, 0.1, 1.0, tokens=1, seconds=1.0)
    metrics.add_held_out(0, 5.0)
    state = json.loads(json.dumps(metrics.state()))
    other = Metrics(LocalFolder(tmp_path), "cpu", 1, steps_per_epoch=10, epochs=2)
    other.restore(state)
    for each in (metrics, other):
        each.add_step(2.0, 0.1, 1.0, tokens=1, seconds=1.0)
    assert other.state() == metrics.state() and other.has_held_out(0)
