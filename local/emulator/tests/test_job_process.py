"""One attempt's process: what it is told arrives, however early."""

import os
import time
from pathlib import Path

import pytest

from roslin_emulator.process import JobProcess

TIMES = 20


@pytest.mark.parametrize(("name", "exit_code"), [("stop", 143), ("kill", 137)])
def test_what_is_told_as_the_job_starts(tmp_path: Path, name: str, exit_code: int) -> None:
    started = time.monotonic()
    for _ in range(TIMES):
        env = {"PATH": os.environ["PATH"]}
        process = JobProcess(["sleep", "60"], str(tmp_path), env, 30, lambda _: None)
        getattr(process, name)()
        assert process.wait() == exit_code
    assert time.monotonic() - started < 30
