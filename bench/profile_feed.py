"""Feeds the trainer's profile with the samples of 8 GPUs over 30 hours, and says what it cost.

Prints one JSON object; `profile` in it is the last object written.
"""

import json
import random
import resource
import sys
import time

import psutil

from roslin_trainer.node_profile import SAMPLE_SECONDS, WRITE_SECONDS, NodeProfile
from roslin_trainer.nvml import Gpu, GpuSample

HOURS = 30
GPUS = 8
# The machine's samples repeat after a while: making them up must not be what is measured.
MADE_UP = 997


class EightGpus:
    """Busy GPUs with every instrument; one of them is throttled now and then."""

    driver_version = "535.183.01"
    cuda_driver_version = (12, 2)
    gpus = [Gpu(i, "Tesla V100-SXM2-32GB", f"GPU-{i}", 32 * 2**30, (7, 0), 300.0) for i in range(GPUS)]
    errors: dict = {}

    def __init__(self):
        chance = random.Random(42)
        self._samples = [
            [made_up_sample(chance, second % GPUS == gpu) for gpu in range(GPUS)] for second in range(MADE_UP)
        ]
        self._next = 0

    def topology(self) -> list[list[str]]:
        return [["NV1"] * GPUS] * GPUS

    def sample(self) -> list[GpuSample]:
        self._next += 1
        return self._samples[self._next % MADE_UP]

    def close(self) -> None:
        pass


def made_up_sample(chance: random.Random, has_pcie: bool) -> GpuSample:
    return GpuSample(
        utilisation_percent=chance.randint(60, 100),
        memory_mib=chance.uniform(10_000, 32_000),
        power_watts=chance.uniform(100, 300),
        temperature_celsius=chance.randint(50, 90),
        sm_clock_mhz=chance.randint(1200, 1530),
        pcie_sent_mib_per_second=chance.uniform(0, 12_000) if has_pcie else None,
        pcie_received_mib_per_second=chance.uniform(0, 12_000) if has_pcie else None,
        nvlink_sent_mib_per_second=chance.uniform(0, 100_000),
        nvlink_received_mib_per_second=chance.uniform(0, 100_000),
        throttle_reasons=("swPowerCap",) if chance.random() < 0.1 else (),
    )


class LastWrite:
    """Storage that keeps the newest object."""

    uri = "memory:"
    content = b""

    def read(self, path: str) -> None:
        return None

    def write(self, path: str, content: bytes) -> None:
        self.content = content


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    reader, folder, clock = EightGpus(), LastWrite(), Clock()
    profile = NodeProfile(folder, lambda: reader, clock)
    before_bytes, before_seconds = (
        psutil.Process().memory_info().rss,
        time.process_time(),
    )
    largest = samples = 0
    while clock.seconds < HOURS * 3600:
        clock.seconds += SAMPLE_SECONDS
        profile.sample()
        samples += GPUS
        if clock.seconds % WRITE_SECONDS == 0:
            profile.write()
            largest = max(largest, len(folder.content))
    result = {
        "samples": samples,
        "simulatedSeconds": clock.seconds,
        "cpuSeconds": time.process_time() - before_seconds,
        "addedBytes": peak_bytes() - before_bytes,
        "largestObjectBytes": largest,
        "profile": json.loads(folder.content),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
