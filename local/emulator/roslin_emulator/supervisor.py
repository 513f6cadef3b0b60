"""Runs one job's command, so that none of its processes outlives the emulator.

A script of its own, started by path: `python supervisor.py GRACE_SECONDS COMMAND...`. Its stdin is a pipe
that only the emulator holds open:
- an "s" on it (or a SIGTERM) asks the job to stop: SIGTERM to its process group, SIGKILL after the grace;
- a "k" on it kills the job: SIGKILL at once;
- its end means that the emulator is gone, however it died: SIGKILL at once.
It leaves with the command's exit code, 128 + n when signal n ended the command.
"""

import os
import select
import signal
import sys
import time

LIFELINE = 0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def prctl(option: int, value: int) -> None:
    """Linux only; elsewhere the process group is all we can hold on to."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def start(argv: list[str]) -> int:
    # Closed by the command's start: before that it has no group of its own, and would miss a signal.
    waiting, starting = os.pipe()
    pid = os.fork()
    if pid:
        os.close(starting)
        os.read(waiting, 1)
        os.close(waiting)
        return pid
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"cannot start {argv[0]}: {error}\n".encode())
    os._exit(127)


def signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # Not there any more, or (macOS) only a zombie is left in the group.
        pass


def reap(pid: int) -> int | None:
    """Collect whatever has ended; the command's exit code when it is among them."""
    code = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if ended == 0:
            return code
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code


def sweep(pid: int) -> None:
    """A container ends with its first process. What left the process group has us as its parent now."""
    signal_group(pid, signal.SIGKILL)
    children = f"/proc/self/task/{os.getpid()}/children"
    for _ in range(100):
        reap(pid)
        try:
            with open(children) as file:
                left = [int(child) for child in file.read().split()]
        except OSError:
            return
        if not left:
            return
        for child in left:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)


def main() -> int:
    grace_seconds, argv = float(sys.argv[1]), sys.argv[2:]
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wake)
    pid = start(argv)
    watched = [LIFELINE, woken]
    kill_at: float | None = None
    code = None
    while code is None:
        # The upper bound only guards against a SIGCHLD lost between two calls.
        timeout = 1.0 if kill_at is None else max(0.0, min(1.0, kill_at - time.monotonic()))
        ready, _, _ = select.select(watched, [], [], timeout)
        stop = False
        if woken in ready:
            received = os.read(woken, 4096)
            stop = signal.SIGTERM in received or signal.SIGINT in received
        if LIFELINE in ready:
            told = os.read(LIFELINE, 4096)
            stop = stop or b"s" in told
            if not told:
                watched.remove(LIFELINE)
            if not told or b"k" in told:
                signal_group(pid, signal.SIGKILL)
        if stop and kill_at is None:
            kill_at = time.monotonic() + grace_seconds
            signal_group(pid, signal.SIGTERM)
        if kill_at is not None and time.monotonic() >= kill_at:
            signal_group(pid, signal.SIGKILL)
            kill_at = time.monotonic() + 1
        code = reap(pid)
    sweep(pid)
    return code


if __name__ == "__main__":
    sys.exit(main())
