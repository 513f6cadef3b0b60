"""The facts that the checks are made on, all read in one place."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from roslin_trainer import host
from roslin_trainer.nodes import read_nodes
from roslin_trainer.nvml import Gpu, Nvml, NvmlMissing

SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Machine:
    """`nvml_note` says why NVML tells nothing: then the driver is None and there are no `gpus`.

    `torch_gpus` is how many PyTorch sees, `torch_architectures` what its kernels were compiled for (`sm_70`).
    """

    driver_version: str | None
    cuda_driver_version: tuple[int, int] | None
    gpus: tuple[Gpu, ...]
    nvml_note: str | None
    torch_version: str
    torch_cuda: str | None
    torch_gpus: int
    torch_architectures: tuple[str, ...]
    # Machines of the job, this one among them.
    nodes: int
    cpu_has_bf16: bool
    memory_bytes: int
    scratch: Path
    scratch_free_bytes: int
    # None where the system has none.
    shared_memory_bytes: int | None


def read_machine(scratch: Path) -> Machine:
    driver = cuda = note = None
    gpus: tuple[Gpu, ...] = ()
    try:
        nvml = Nvml()
        driver, cuda, gpus = nvml.driver_version, nvml.cuda_driver_version, tuple(nvml.gpus)
        nvml.close()
    except NvmlMissing as missing:
        note = str(missing)
    return Machine(
        driver_version=driver,
        cuda_driver_version=cuda,
        gpus=gpus,
        nvml_note=note,
        torch_version=torch.__version__,
        torch_cuda=torch.version.cuda,
        torch_gpus=torch.cuda.device_count(),
        torch_architectures=tuple(torch.cuda.get_arch_list()),
        nodes=read_nodes().count,
        cpu_has_bf16=host.has_bf16(),
        memory_bytes=host.memory_bytes(),
        scratch=scratch,
        scratch_free_bytes=shutil.disk_usage(scratch).free,
        shared_memory_bytes=_free_bytes(SHARED_MEMORY),
    )


def _free_bytes(folder: Path) -> int | None:
    if not folder.is_dir():
        return None
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
