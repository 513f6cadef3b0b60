"""profile/node-0.json: what the GPUs and processors of one machine did while it trained.

Bounded, rewritten every few seconds, and never a reason for training to fail.
"""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Protocol

from roslin_trainer import host
from roslin_trainer.instance_metadata import open_metadata
from roslin_trainer.log import log
from roslin_trainer.nodes import read_nodes
from roslin_trainer.nvml import MIB, CallError, Gpu, GpuSample, Nvml, NvmlMissing
from roslin_trainer.profile_samples import Samples
from roslin_trainer.storage import Folder

SAMPLE_SECONDS = 1.0
WRITE_SECONDS = 10.0
CLOSE_SECONDS = 10.0
MAX_EARLIER_ATTEMPTS = 20


class GpuReader(Protocol):
    """The part of Nvml that a profile needs."""

    driver_version: str
    cuda_driver_version: tuple[int, int]
    gpus: list[Gpu]
    errors: dict[tuple[int, str], CallError]

    def topology(self) -> list[list[str]]: ...

    def sample(self) -> list[GpuSample]: ...

    def close(self) -> None: ...


class NodeProfile:
    """Within, one thread samples once a second and another one writes."""

    def __init__(
        self,
        run_folder: Folder,
        open_reader: Callable[[], GpuReader] = Nvml,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._folder = run_folder
        self._path = f"profile/node-{read_nodes().index}.json"
        self._clock = clock
        self._started = clock()
        self._errors: dict[str, int] = {}
        self._reader, note = _open(open_reader)
        self._samples = Samples(len(self._reader.gpus) if self._reader else 0)
        self._facts = _facts(self._reader, note)
        self._earlier: list[dict] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sampler = threading.Thread(target=self._sample_on, name="profile", daemon=True)
        self._writer = threading.Thread(target=self._write_on, name="profile-writer", daemon=True)

    def __enter__(self) -> "NodeProfile":
        log(f"profile: {self._facts['note'] or _title(self._reader)}")
        self._sampler.start()
        self._writer.start()
        return self

    def __exit__(self, *_) -> None:
        self._closed.set()
        # A driver or a bucket that does not answer must not hold up the end: only seconds may be left.
        self._writer.join(CLOSE_SECONDS)
        if self._reader and not self._sampler.is_alive():
            self._attempt(self._reader.close)

    def sample(self) -> None:
        gpus = self._reader.sample() if self._reader else []
        machine = host.sample_host()
        with self._lock:
            self._samples.add(self._clock() - self._started, machine, gpus)

    def write(self) -> None:
        with self._lock:
            value = {
                **self._facts,
                "updatedAt": _now(),
                "errors": self._all_errors(),
                "earlierAttempts": self._earlier,
                "summary": self._samples.summary(),
                "newest": self._samples.newest(),
            }
            series = self._samples.series_json()
        head = json.dumps(value, allow_nan=False, separators=(",", ":"))
        self._folder.write(self._path, f'{head[:-1]},"series":{series}}}'.encode())

    def _sample_on(self) -> None:
        while not self._closed.wait(SAMPLE_SECONDS):
            self._attempt(self.sample)
        self._attempt(self.sample)

    def _write_on(self) -> None:
        # What may take seconds is asked here, where it holds up no sample.
        self._attempt(self._read_slow_facts)
        while not self._closed.wait(WRITE_SECONDS):
            self._attempt(self.write)
        self._sampler.join(SAMPLE_SECONDS)
        self._attempt(self.write)

    def _read_slow_facts(self) -> None:
        metadata = open_metadata()
        self._facts["instanceType"] = metadata.get("instance-type") if metadata else None
        self._earlier = _earlier_attempts(self._folder.read(self._path))
        if self._reader:
            self._facts["topology"] = self._reader.topology()

    def _attempt(self, work: Callable[[], None]) -> None:
        """Whatever goes wrong is noted, and logged the first time."""
        try:
            work()
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            if message not in self._errors:
                log(f"profile: {message}; training goes on")
            self._errors[message] = self._errors.get(message, 0) + 1

    def _all_errors(self) -> list[dict]:
        of_calls = self._reader.errors.values() if self._reader else ()
        return [
            *(
                {"gpu": error.gpu, "call": error.call, "message": error.message, "count": error.count}
                for error in list(of_calls)
            ),
            *(
                {"gpu": None, "call": None, "message": message, "count": count}
                for message, count in list(self._errors.items())
            ),
        ]


def _open(open_reader: Callable[[], GpuReader]) -> tuple[GpuReader | None, str | None]:
    try:
        return open_reader(), None
    except NvmlMissing as missing:
        return None, f"no NVML on this machine ({missing}): processors and memory only"


def _facts(reader: GpuReader | None, note: str | None) -> dict:
    """What does not change, as far as it is known at once."""
    return {
        "node": read_nodes().index,
        "startedAt": _now(),
        "note": note,
        "instanceType": None,
        "cpus": host.cpu_count(),
        "memoryMiB": round(host.memory_bytes() / MIB),
        "driverVersion": reader.driver_version if reader else None,
        "cudaDriverVersion": ".".join(map(str, reader.cuda_driver_version)) if reader else None,
        "gpus": [_describe(gpu) for gpu in reader.gpus] if reader else [],
        "topology": [],
    }


def _describe(gpu: Gpu) -> dict:
    return {
        "index": gpu.index,
        "name": gpu.name,
        "uuid": gpu.uuid,
        "memoryMiB": round(gpu.memory_bytes / MIB),
        "computeCapability": ".".join(map(str, gpu.capability)),
        "powerLimitWatts": gpu.power_limit_watts,
    }


def _title(reader: GpuReader) -> str:
    names = sorted({gpu.name for gpu in reader.gpus})
    return f"{len(reader.gpus)} × {', '.join(names)}, driver {reader.driver_version}"


def _earlier_attempts(content: bytes | None) -> list[dict]:
    """What the attempts before this one came to; their series are not kept."""
    if content is None:
        return []
    earlier = json.loads(content)
    last = {key: earlier[key] for key in ("startedAt", "updatedAt", "instanceType", "gpus", "summary")}
    return [*earlier["earlierAttempts"], last][-MAX_EARLIER_ATTEMPTS:]


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
