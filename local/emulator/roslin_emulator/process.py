"""One attempt of a job as a process: its start, its stop, its output line by line."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

SUPERVISOR = Path(__file__).with_name("supervisor.py")
CHUNK_BYTES = 64 * 1024
# CloudWatch Logs takes events of up to 256 KiB; a longer line is cut into several.
LINE_BYTES = 128 * 1024


class JobProcess:
    def __init__(
        self,
        argv: list[str],
        cwd: str,
        env: dict[str, str],
        grace_seconds: float,
        on_lines: Callable[[list[str]], None],
    ) -> None:
        self._on_lines = on_lines
        # -I and -S: the supervisor must not import what the job's environment points to, and starts faster.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR), str(grace_seconds), *argv],
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout
        self._lifeline = self._process.stdin
        self._output = self._process.stdout
        self._pump = threading.Thread(target=self._pump_output, daemon=True)
        self._pump.start()

    def stop(self) -> None:
        """SIGTERM now, SIGKILL after the grace period."""
        self._tell(b"s")

    def kill(self) -> None:
        """SIGKILL now."""
        self._tell(b"k")

    def _tell(self, what: bytes) -> None:
        try:
            os.write(self._lifeline.fileno(), what)
        except (OSError, ValueError):
            pass  # it has ended by itself

    def wait(self) -> int:
        code = self._process.wait()
        # All writers are dead by now, so the end of the output is at hand.
        self._pump.join(timeout=5)
        self._lifeline.close()
        return 128 - code if code < 0 else code

    def _pump_output(self) -> None:
        rest = b""
        while chunk := os.read(self._output.fileno(), CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_BYTES:
                lines, rest = [*lines, rest], b""
            self._deliver(lines)
        self._deliver([rest])
        self._output.close()

    def _deliver(self, lines: list[bytes]) -> None:
        # Empty lines are no log events, as with the awslogs driver.
        texts = [line.rstrip(b"\r").decode("utf-8", "replace") for line in lines]
        if texts := [text for text in texts if text]:
            self._on_lines(texts)
