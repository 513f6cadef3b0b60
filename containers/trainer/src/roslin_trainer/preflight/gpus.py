"""GPUs: how many, with kernels for them."""

import re

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.machine import Machine


def check_count(plan: Plan, machine: Machine) -> str:
    if machine.torch_gpus < plan.gpus:
        seen = (
            machine.nvml_note if machine.driver_version is None else f"the driver shows {len(machine.gpus)}"
        )
        raise TrainerError(
            ExitCode.GPUS_MISSING,
            "GPUS_MISSING",
            f"The plan asks for {plan.gpus} GPUs, PyTorch {machine.torch_version} can use "
            f"{machine.torch_gpus} ({seen}).",
            "Check the instance type and its driver, or set resources.gpus to what the machine has.",
        )
    return f"{plan.gpus} of {machine.torch_gpus}"


def check_architecture(plan: Plan, machine: Machine) -> str:
    """Whether PyTorch has kernels for each GPU: of its generation and no newer, or code to compile for it."""
    if not machine.torch_architectures:
        return f"not known ({_names(machine)})"
    for gpu in machine.gpus:
        if not any(_runs_on(architecture, gpu.capability) for architecture in machine.torch_architectures):
            raise TrainerError(
                ExitCode.GPU_UNSUPPORTED,
                "GPU_UNSUPPORTED",
                f"{gpu.name} needs kernels for sm_{gpu.capability[0]}{gpu.capability[1]}; PyTorch "
                f"{machine.torch_version} has {', '.join(machine.torch_architectures)}.",
                "Choose another capacity option, or a trainer image whose PyTorch has them "
                "(trainerImage in the team file).",
            )
    return f"{_names(machine)} among {', '.join(machine.torch_architectures)}"


def _runs_on(architecture: str, capability: tuple[int, int]) -> bool:
    """`sm_86` runs on 8.6 and 8.9, `sm_90a` on 9.0; `compute_80` is compiled later for 8.0 and newer."""
    match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", architecture)
    if not match:
        return False
    kind, major, minor, suffix = match[1], int(match[2]), int(match[3]), match[4]
    if suffix:
        return (major, minor) == capability
    if kind == "compute":
        return (major, minor) <= capability
    return major == capability[0] and minor <= capability[1]


def _names(machine: Machine) -> str:
    found = sorted({(gpu.name, gpu.capability) for gpu in machine.gpus})
    return ", ".join(f"{name} (sm_{major}{minor})" for name, (major, minor) in found) or "no NVML"
