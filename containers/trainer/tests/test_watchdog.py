import threading
import time

import pytest

from roslin_trainer.engine import TorchEngine
from roslin_trainer.watchdog import LearnedLimits, Watchdog


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_limit_is_learned_from_the_slowest_recent_step():
    limits = LearnedLimits()
    assert limits.seconds("step") == 1800
    limits.took("step", 2)
    assert limits.seconds("step") == 60
    limits.took("step", 30)
    assert limits.seconds("step") == 300
    for _ in range(50):
        limits.took("step", 1)
    assert limits.seconds("step") == 60


def test_activities_have_limits_of_their_own():
    limits = LearnedLimits()
    limits.took("step", 1)
    limits.took("checkpoint", 400)
    assert (limits.seconds("step"), limits.seconds("checkpoint")) == (60, 4000)


@pytest.fixture
def dog():
    """A watchdog on a clock of ours, and what it found."""
    clock, found = Clock(), []
    barked = threading.Event()

    def on_hang(error):
        found.append(error)
        barked.set()

    with Watchdog(on_hang, LearnedLimits(), clock, poll_seconds=0.005) as watchdog:
        yield watchdog, clock, found, barked


def test_step_within_its_limit_is_left_alone(dog):
    watchdog, clock, found, barked = dog
    with watchdog.watching("step"):
        clock.now += 1
    with watchdog.watching("step"):
        clock.now += 59
        assert not barked.wait(0.1)
    # Nothing is watched in between.
    clock.now += 9999
    assert not barked.wait(0.1) and found == []


def test_step_beyond_its_limit_is_a_hang(dog):
    watchdog, clock, (found), barked = dog
    with watchdog.watching("step"):
        clock.now += 8
    with watchdog.watching("step"):
        clock.now += 81
        assert barked.wait(5)
    (error,) = found
    assert (error.exit_code, error.code) == (22, "HUNG")
    assert error.message == "No end of a step in 80 s; the slowest recent one took 8.0 s."


def test_process_that_hangs_ends_itself_and_shows_where(make_run, monkeypatch):
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    original, calls = TorchEngine.accumulate, []

    def a_step_that_never_ends(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            time.sleep(600)
        return original(self, *arguments)

    monkeypatch.setattr(TorchEngine, "accumulate", a_step_that_never_ends)
    started = time.monotonic()
    child = run.start("stuck", ROSLIN_HANG_SECONDS="1")
    assert child.end() == 22
    assert time.monotonic() - started < 60
    log = child.log.read_text()
    assert "a_step_that_never_ends" in log and "(most recent call first)" in log
    error = run.json("error.json")
    assert (error["code"], error["exitCode"]) == ("HUNG", 22)
    assert "No end of a step in 1 s" in error["message"]
