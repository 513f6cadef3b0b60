"""The machine around the GPUs."""

from typing import NamedTuple

import psutil

MIB = 2**20


class HostSample(NamedTuple):
    """All processors together, since the last sample; memory that is in use and cannot be given back."""

    cpu_percent: float
    memory_mib: float


def sample_host() -> HostSample:
    memory = psutil.virtual_memory()
    return HostSample(psutil.cpu_percent(), (memory.total - memory.available) / MIB)


def cpu_count() -> int:
    return psutil.cpu_count() or 1


def memory_bytes() -> int:
    return psutil.virtual_memory().total
