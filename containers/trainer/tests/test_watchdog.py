import subprocess
import sys
import threading
import time

import pytest
from conftest import child_environment

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


STUCK = """
import sys, time
from roslin_trainer.engine import TorchEngine
from roslin_trainer.__main__ import main
original, calls = TorchEngine.accumulate, []
def a_step_that_never_ends(self, *arguments):
    calls.append(1)
    if len(calls) == 3:
        time.sleep(600)
    return original(self, *arguments)
TorchEngine.accumulate = a_step_that_never_ends
sys.argv = ["roslin_trainer", "train"]
sys.exit(main())
"""


def test_process_that_hangs_ends_itself_and_shows_where(make_run):
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    environment = child_environment(
        ROSLIN_PLAN_URI=str(run.plan_path),
        ROSLIN_SCRATCH_DIR=str(run.root / "scratch"),
        ROSLIN_HANG_SECONDS="1",
    )
    started = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-c", STUCK], env=environment, capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 22, process.stderr
    assert time.monotonic() - started < 60
    assert "a_step_that_never_ends" in process.stderr and "(most recent call first)" in process.stderr
    error = run.json("error.json")
    assert (error["code"], error["exitCode"]) == ("HUNG", 22)
    assert "No end of a step in 1 s" in error["message"]
