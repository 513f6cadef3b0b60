"""The cost limit and the time limit: a checkpoint first, then an end with figures."""

import json
import time

import pytest
from botocore.exceptions import EndpointConnectionError, IncompleteReadError
from conftest import Run

from roslin_trainer.budget import NOTHING, Budget, HourlyPrice, Limit, Spent
from roslin_trainer.checkpoint import Position
from roslin_trainer.plan import Limits, parse_plan
from roslin_trainer.start import earlier_attempts
from roslin_trainer.storage import LocalFolder


def budget(limits: Limits, attempt_seconds: float, earlier: Spent = NOTHING, price=None) -> Budget:
    return Budget(limits, 1000.0, earlier, price, clock=lambda: 1000.0 + attempt_seconds)


def limited(make_run, price=0.0, **limits) -> Run:
    run = make_run(training={"method": "lora"})
    run.content["recipe"]["limits"] = {"maxHours": 1, **limits}
    run.content["capacity"][0]["priceUsdPerHour"] = price
    run.write()
    run.step("prepare")
    return run


def test_cost_counts_all_attempts_and_leaves_room_for_a_checkpoint():
    limits = Limits(max_hours=24, max_usd=10, price_usd_per_hour=36)  # one cent a second
    assert budget(limits, 400, Spent(500, 5)).exceeded(0) is None
    assert budget(limits, 450, Spent(500, 5)).exceeded(0) == Limit.COST
    assert budget(limits, 400, Spent(500, 5)).exceeded(100) == Limit.COST


def test_each_attempt_costs_what_its_machine_did():
    limits = Limits(max_hours=24, max_usd=10, price_usd_per_hour=36)
    dear = budget(limits, 100, Spent(seconds=100, usd=8))
    assert (dear.elapsed_seconds, dear.cost_usd) == (200, 9)
    cheap = budget(limits, 100, Spent(seconds=100, usd=8), price=lambda: 3.6)
    assert (cheap.elapsed_seconds, cheap.cost_usd) == (200, pytest.approx(8.1))


def test_price_is_the_plans_until_the_real_one_is_known(tmp_path):
    price = HourlyPrice(32.77, tmp_path / "price")
    assert price() == 32.77
    (tmp_path / "price").write_text("8.1234")
    assert price() == 8.1234


def test_price_of_an_hour_is_that_of_all_nodes(tmp_path):
    price = HourlyPrice(10, tmp_path / "price", nodes=2)
    assert price() == 20
    (tmp_path / "price").write_text("3")
    assert price() == 6
    limits = Limits(max_hours=24, max_usd=10, price_usd_per_hour=18, nodes=2)
    assert budget(limits, 100).cost_usd == 1


@pytest.mark.parametrize(
    ("metrics", "position_seconds", "spent"),
    [
        (None, None, Spent(0, 0)),
        (None, 100, Spent(100, 1)),
        ({"elapsedSeconds": 300, "costUsd": 9.0}, 100, Spent(300, 9)),
        # Metrics that are older than the checkpoint: what they do not cover is counted at the plan's price.
        ({"elapsedSeconds": 300, "costUsd": 9.0}, 400, Spent(400, 10)),
        ({"elapsedSeconds": 300}, 100, Spent(300, 3)),
        ("not JSON", 100, Spent(100, 1)),
    ],
)
def test_earlier_attempts_are_counted_by_what_they_left(tmp_path, metrics, position_seconds, spent):
    folder = LocalFolder(tmp_path)
    if metrics is not None:
        folder.write("metrics.json", (metrics if isinstance(metrics, str) else json.dumps(metrics)).encode())
    position = Position(5, {}, position_seconds) if position_seconds else None
    found = earlier_attempts(folder, position, price_usd_per_hour=36)
    assert (found.seconds, found.usd) == (spent.seconds, pytest.approx(spent.usd))


class BrokenReads(LocalFolder):
    """The first reads fail."""

    def __init__(self, root, *errors):
        super().__init__(root)
        self.errors = list(errors)

    def read(self, path):
        if self.errors:
            raise self.errors.pop(0)
        return super().read(path)


def test_earlier_attempts_are_read_again_where_an_answer_broke_off(tmp_path, capsys):
    LocalFolder(tmp_path).write("metrics.json", b'{"elapsedSeconds": 300, "costUsd": 9.0}')
    truncated = IncompleteReadError(actual_bytes=5, expected_bytes=50)
    once = BrokenReads(tmp_path, truncated)
    assert earlier_attempts(once, None, 36) == Spent(300, 9)
    assert capsys.readouterr().out == ""
    # Where the file itself is broken, training goes on with what its checkpoint knows.
    always = BrokenReads(tmp_path, truncated, truncated)
    assert earlier_attempts(always, Position(5, {}, 100), 36) == Spent(100, 1)
    assert "metrics.json of the earlier attempts cannot be read whole" in capsys.readouterr().out
    # A store that cannot be asked is another matter: nothing says that these attempts cost little.
    unreachable = EndpointConnectionError(endpoint_url="s3")
    with pytest.raises(EndpointConnectionError):
        earlier_attempts(BrokenReads(tmp_path, unreachable), None, 36)


def test_plan_says_what_training_may_cost(make_run):
    run = make_run()
    run.content["recipe"]["limits"] = {"maxHours": 1, "maxUsd": 100}
    for budgeted, max_usd in (
        ({}, 100),
        ({"trainingBudgetUsd": 80.5}, 80.5),
        ({"trainingBudgetUsd": None}, None),
    ):
        run.content |= budgeted
        assert parse_plan(run.content).limits.max_usd == max_usd


def test_time_counts_this_attempt_alone():
    limits = Limits(max_hours=1, max_usd=None, price_usd_per_hour=36)
    assert budget(limits, 3500, Spent(9999, 0)).exceeded(0) is None
    assert budget(limits, 3550).exceeded(0) == Limit.TIME
    assert budget(limits, 3400).exceeded(300) == Limit.TIME


def test_small_limit_leaves_half_of_it_for_training():
    assert budget(Limits(0.01, None, 0), 17).exceeded(1000) is None
    assert budget(Limits(0.01, None, 0), 18).exceeded(1000) == Limit.TIME


def test_without_a_limit_or_a_price_cost_stops_nothing():
    assert budget(Limits(1000, None, 100), 999_999).exceeded(0) is None
    assert budget(Limits(1000, 1, 0), 999_999).exceeded(0) is None


@pytest.mark.parametrize(
    ("limits", "code", "figures"),
    [
        ({"price": 1e6, "maxUsd": 1}, "COST_LIMIT_REACHED", "of the $1.00 that it may"),
        ({"maxHours": 1e-7}, "TIME_LIMIT_REACHED", "of limits.maxHours 1e-07"),
    ],
)
def test_limit_saves_a_checkpoint_and_stops(make_run, limits, code, figures):
    run = limited(make_run, **limits)
    assert run.step("train") == 24
    error = run.json("error.json")
    assert error["code"] == code and figures in error["message"]
    assert run.json("checkpoints/step-000001/manifest.json")["epoch"] == 0.2
    # A higher limit is another plan: this one stops again, a step later, with the cost of both attempts.
    spent = run.json("metrics.json")["elapsedSeconds"]
    assert run.step("train") == 24
    assert run.json("checkpoints/step-000002/manifest.json")
    assert run.json("metrics.json")["elapsedSeconds"] >= spent


def test_cost_of_an_attempt_that_was_killed_is_not_forgotten(make_run):
    run = limited(make_run, price=36.0, maxUsd=10)
    (run.folder / "metrics.json").write_text('{"elapsedSeconds": 995}')
    assert run.step("train") == 24
    assert "Training has cost $9.9" in run.json("error.json")["message"]


def test_limit_reached_by_the_last_step_stops_nothing(make_run, monkeypatch):
    run = limited(make_run)
    started = time.time()
    monkeypatch.setattr(Budget, "exceeded", lambda self, _: self.reached_at_the_end)
    monkeypatch.setattr(Budget, "reached_at_the_end", None, raising=False)
    from roslin_trainer.engine import TorchEngine

    original, calls = TorchEngine.accumulate, []

    def accumulate(self, *arguments):
        calls.append(1)
        if len(calls) == 10:
            monkeypatch.setattr(Budget, "reached_at_the_end", Limit.COST)
        return original(self, *arguments)

    monkeypatch.setattr(TorchEngine, "accumulate", accumulate)
    assert run.step("train") == 0 and time.time() > started
