"""NVIDIA's management library, NVML: what GPUs there are, and what they do.

Nothing here starts CUDA: a process that did would keep hundreds of MB on every GPU for itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from roslin_trainer.host import MIB
from roslin_trainer.nvml_topology import topology

KIB = 2**10
# nvml.h: the sum over all links of a GPU.
ALL_LINKS = 0xFFFFFFFF


class NvmlMissing(Exception):
    """There is no NVML on this machine, and why."""


@dataclass(frozen=True)
class Gpu:
    """What does not change while a job runs. None where the driver does not tell."""

    index: int
    name: str
    uuid: str
    memory_bytes: int
    capability: tuple[int, int]
    power_limit_watts: float | None = None


class GpuSample(NamedTuple):
    """One moment of one GPU. None where the driver does not offer it, or failed."""

    utilisation_percent: float | None
    memory_mib: float | None
    power_watts: float | None
    temperature_celsius: float | None
    sm_clock_mhz: float | None
    pcie_sent_mib_per_second: float | None
    pcie_received_mib_per_second: float | None
    nvlink_sent_mib_per_second: float | None
    nvlink_received_mib_per_second: float | None
    throttle_reasons: tuple[str, ...] | None


@dataclass
class CallError:
    """An NVML call that failed: the last message, and how often."""

    gpu: int
    call: str
    message: str
    count: int = 0


class Nvml:
    """NVML, initialised: raises NvmlMissing where it cannot be. Calls that fail later go to `errors`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        try:
            import pynvml
        except ImportError as error:
            raise NvmlMissing("nvidia-ml-py is not installed") from error
        try:
            pynvml.nvmlInit()
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
            self.driver_version: str = pynvml.nvmlSystemGetDriverVersion()
            cuda = pynvml.nvmlSystemGetCudaDriverVersion_v2()
            self.gpus = [_gpu(pynvml, index, handle) for index, handle in enumerate(self._handles)]
        except pynvml.NVMLError as error:
            raise NvmlMissing(str(error)) from error
        # 12020 is 12.2.
        self.cuda_driver_version = (cuda // 1000, cuda % 1000 // 10)
        self.errors: dict[tuple[int, str], CallError] = {}
        self._nvml = pynvml
        self._clock = clock
        self._unsupported: set[tuple[int, str]] = set()
        self._nvlink_counts: dict[int, tuple[float, int, int]] = {}
        self._pcie_turn = 0
        self._reasons = _throttle_reasons(pynvml)

    def close(self) -> None:
        self._nvml.nvmlShutdown()

    def topology(self) -> list[list[str]]:
        """How each GPU reaches each other one, in the words of `nvidia-smi topo -m`."""
        return topology(self._nvml, self._handles)

    def sample(self) -> list[GpuSample]:
        """All GPUs now."""
        # The driver counts PCIe bytes over 20 ms for each answer: one GPU each time, in turn.
        self._pcie_turn = (self._pcie_turn + 1) % max(1, len(self._handles))
        return [self._sample(index) for index in range(len(self._handles))]

    def _sample(self, gpu: int) -> GpuSample:
        nvml, ask = self._nvml, self._ask
        utilisation = ask(gpu, "nvmlDeviceGetUtilizationRates")
        memory = ask(gpu, "nvmlDeviceGetMemoryInfo")
        milliwatts = ask(gpu, "nvmlDeviceGetPowerUsage")
        sent = received = None
        if gpu == self._pcie_turn:
            sent = ask(gpu, "nvmlDeviceGetPcieThroughput", nvml.NVML_PCIE_UTIL_TX_BYTES)
            received = ask(gpu, "nvmlDeviceGetPcieThroughput", nvml.NVML_PCIE_UTIL_RX_BYTES)
        nvlink_sent, nvlink_received = self._nvlink_rates(gpu)
        reasons = ask(gpu, "nvmlDeviceGetCurrentClocksThrottleReasons")
        return GpuSample(
            utilisation_percent=None if utilisation is None else utilisation.gpu,
            memory_mib=None if memory is None else memory.used / MIB,
            power_watts=None if milliwatts is None else milliwatts / 1000,
            temperature_celsius=ask(gpu, "nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            sm_clock_mhz=ask(gpu, "nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            pcie_sent_mib_per_second=None if sent is None else sent / KIB,
            pcie_received_mib_per_second=None if received is None else received / KIB,
            nvlink_sent_mib_per_second=nvlink_sent,
            nvlink_received_mib_per_second=nvlink_received,
            throttle_reasons=None if reasons is None else _names(reasons, self._reasons),
        )

    def _nvlink_rates(self, gpu: int) -> tuple[float | None, float | None]:
        """MiB per second since the last sample: the driver counts KiB from its start."""
        nvml = self._nvml
        fields = (nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX)
        values = self._ask(gpu, "nvmlDeviceGetFieldValues", [(field, ALL_LINKS) for field in fields])
        if values is None or any(value.nvmlReturn != nvml.NVML_SUCCESS for value in values):
            return None, None
        now, sent, received = self._clock(), values[0].value.ullVal, values[1].value.ullVal
        before = self._nvlink_counts.get(gpu)
        self._nvlink_counts[gpu] = (now, sent, received)
        # A count below the last one has begun anew.
        if before is None or now <= before[0] or sent < before[1] or received < before[2]:
            return None, None
        seconds = now - before[0]
        return (sent - before[1]) / KIB / seconds, (received - before[2]) / KIB / seconds

    def _ask(self, gpu: int, call: str, *arguments):
        """The answer, or None. What the driver says it does not support is asked once."""
        if (gpu, call) in self._unsupported:
            return None
        try:
            return getattr(self._nvml, call)(self._handles[gpu], *arguments)
        except self._nvml.NVMLError as error:
            noted = self.errors.setdefault((gpu, call), CallError(gpu, call, ""))
            noted.message, noted.count = str(error), noted.count + 1
            if isinstance(error, (self._nvml.NVMLError_NotSupported, self._nvml.NVMLError_FunctionNotFound)):
                self._unsupported.add((gpu, call))
            return None


def _gpu(nvml, index: int, handle) -> Gpu:
    try:
        power_limit_watts = nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
    except nvml.NVMLError:
        power_limit_watts = None
    return Gpu(
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        uuid=nvml.nvmlDeviceGetUUID(handle),
        memory_bytes=nvml.nvmlDeviceGetMemoryInfo(handle).total,
        capability=nvml.nvmlDeviceGetCudaComputeCapability(handle),
        power_limit_watts=power_limit_watts,
    )


def _throttle_reasons(nvml) -> dict[int, str]:
    """The bits that say a GPU runs slower than it could. Idleness and clocks that somebody set are none."""
    return {
        nvml.nvmlClocksThrottleReasonSwPowerCap: "swPowerCap",
        nvml.nvmlClocksThrottleReasonHwSlowdown: "hwSlowdown",
        nvml.nvmlClocksThrottleReasonSwThermalSlowdown: "swThermalSlowdown",
        nvml.nvmlClocksThrottleReasonHwThermalSlowdown: "hwThermalSlowdown",
        nvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown: "hwPowerBrakeSlowdown",
    }


def _names(bits: int, names: dict[int, str]) -> tuple[str, ...]:
    return tuple(name for bit, name in names.items() if bits & bit)
