"""Where all threads of a process stand, told even while its main thread is stuck in C code."""

import faulthandler
import signal
from pathlib import Path

# faulthandler answers it in the signal handler itself: no Python code need run.
STACKS_SIGNAL = signal.SIGUSR1


def write_stacks_on_signal(file: Path) -> None:
    faulthandler.register(STACKS_SIGNAL, file=file.open("w"), all_threads=True)


def write_stacks_to_log() -> None:
    faulthandler.dump_traceback(all_threads=True)
