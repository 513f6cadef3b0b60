"""Which NVIDIA drivers are known to carry which PyTorch builds: data, each line with its source."""

import re
from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True)
class KnownGood:
    """`cuda` is what PyTorch was built with. A last version includes all that begin so: (580,) is R580."""

    torch: str
    cuda: tuple[Version, Version]
    driver: tuple[Version, Version]
    hosts: str
    gpus: str
    source: str


KNOWN_GOOD = (
    KnownGood(
        torch="any",
        cuda=((11, 1), (11, 8)),
        driver=((515, 105, 1), (515,)),
        hosts="Ubuntu 20.04, 22.04",
        gpus="V100, A100",
        source="the hosts that Dolly was trained on: driver 515.105.01, CUDA 11.1 to 11.8",
    ),
    KnownGood(
        torch="2.0",
        cuda=((11, 7), (11, 7)),
        driver=((515, 105, 1), (580,)),
        hosts="any",
        gpus="V100, A100",
        source="PyTorch 2.0 release notes (CUDA 11.7 stable); newer drivers carry older CUDA: NVIDIA, "
        "CUDA Compatibility, Minor Version Compatibility, table 1",
    ),
    KnownGood(
        torch="2.10",
        cuda=((12, 8), (12, 8)),
        driver=((535,), (580,)),
        hosts="any",
        gpus="V100 to H100",
        source="the wheel's kernels (sm_70 to sm_120); NVIDIA, CUDA Compatibility, Minor Version "
        "Compatibility, table 1: CUDA 12 from R525 on; R535 to R580 are its data centre branches",
    ),
)

# The oldest driver that starts a program built with this CUDA. Source: NVIDIA, CUDA Toolkit Release Notes,
# "CUDA Toolkit and Minimum Required Driver Version for CUDA Minor Version Compatibility".
OLDEST_DRIVER: dict[int, Version] = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580,)}

# The last driver branch for GPUs older than Turing (compute capability 7.5). Source: NVIDIA, CUDA 13.0
# Toolkit Release Notes, "Deprecated Architectures".
VOLTA_LAST_BRANCH = 580
TURING = (7, 5)


def known_good(torch: str, cuda: Version, driver: Version) -> KnownGood | None:
    """The line for a PyTorch version (`2.10.0+cu128`), the CUDA it was built with, and a driver."""
    release = ".".join(torch.split(".")[:2])
    for line in KNOWN_GOOD:
        if line.torch in ("any", release) and _is_in(cuda, line.cuda) and _is_in(driver, line.driver):
            return line
    return None


def parse_version(text: str) -> Version:
    """`535.183.01` is (535, 183, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _is_in(version: Version, bounds: tuple[Version, Version]) -> bool:
    first, last = bounds
    return first <= version and version[: len(last)] <= last
