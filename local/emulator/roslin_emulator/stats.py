"""Figures that tests and benches ask for: requests by service, memory."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime


def _resident_mib(pid: int) -> float | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class RequestCounter:
    def __init__(self) -> None:
        self._by_service: Counter[str] = Counter()

    def count(self, service: str) -> None:
        self._by_service[service] += 1

    def figures(self) -> dict[str, Any]:
        return {"total": self._by_service.total(), "byService": dict(self._by_service)}


def memory_mib() -> dict[str, float | None]:
    """Resident memory; null where there is no /proc."""
    emulator = _resident_mib(os.getpid())
    if emulator is None:
        return {"emulator": None, "lambdaWorkers": None, "total": None}
    with lambda_runtime._lock:
        processes = [worker._proc for workers in lambda_runtime._workers.values() for worker in workers]
    sizes = [_resident_mib(process.pid) or 0.0 for process in processes if process and process.poll() is None]
    workers = sum(sizes)
    return {
        "emulator": round(emulator, 1),
        "lambdaWorkers": round(workers, 1),
        "total": round(emulator + workers, 1),
    }
