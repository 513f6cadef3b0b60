"""The machine around the GPUs."""

import ctypes
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psutil

MIB = 2**20
PROCESSORS = Path("/proc/cpuinfo")
# Products of 16-bit numbers in one instruction: Intel's AMX, AVX-512 on Intel and AMD, ARM from v8.6 on.
BF16_FLAGS = {"amx_bf16", "avx512_bf16", "bf16"}
LOWEST_PRIORITY = 19


class HostSample(NamedTuple):
    """All processors together, since the last sample; memory that is in use and cannot be given back."""

    cpu_percent: float
    memory_mib: float


def sample_host() -> HostSample:
    memory = psutil.virtual_memory()
    return HostSample(psutil.cpu_percent(), (memory.total - memory.available) / MIB)


def cpu_count() -> int:
    return psutil.cpu_count() or 1


def has_bf16() -> bool:
    """Whether the CPU itself computes in bf16; False where the system does not say (it is not Linux)."""
    return not BF16_FLAGS.isdisjoint(_words_of(PROCESSORS))


def has_slow_bf16() -> bool:
    """Whether bf16 products take longer than fp32's: with Intel's AVX512-BF16 twice as long, but for AMX."""
    words = _words_of(PROCESSORS)
    return {"GenuineIntel", "avx512_bf16"} <= words and "amx_bf16" not in words


@cache
def _words_of(file: Path) -> set[str]:
    return set(file.read_text().split()) if file.exists() else set()


def memory_bytes() -> int:
    return psutil.virtual_memory().total


def give_way() -> None:
    """The calling thread leaves the processors to others; on Linux, where each thread has its priority."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def keep_freed_memory() -> None:
    """Asks glibc to keep freed memory: returning it costs a step a tenth, a download a quarter."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 2**30)
        mallopt(trim_threshold, 2**30)
