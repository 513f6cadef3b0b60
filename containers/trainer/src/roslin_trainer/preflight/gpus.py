"""GPUs: how many, with kernels for them, with enough memory."""

import re

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.machine import Machine

GIB = 2**30
# The arithmetic of the plan (core/memory.ts, memoryFit), where the sources are.
STATE_BYTES = {"full": 16, "lora": 2, "qlora": 0.7}
WORKING_BYTES = 4 * GIB
USABLE_FRACTION = 0.92
# Of the 16 bytes a weight of full training, those that a way of sharding leaves whole on every GPU, and those
# that it takes off the GPUs (Rajbhandari et al., ZeRO, table 1; ZeRO-Offload moves the optimizer's states).
WHOLE_BYTES = {"none": 16, "zero2": 2, "zero3": 0, "zero3-offload": 0}
OFFLOADED_BYTES = {"zero3-offload": 12}


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


def check_memory(plan: Plan, machine: Machine) -> str:
    """The plan's estimate, with this machine's GPUs and the recipe's way of sharding."""
    parameters = plan.base_model.parameters
    if parameters is None or not machine.gpus:
        return "not known"
    smallest = min(machine.gpus, key=lambda gpu: gpu.memory_bytes)
    usable = smallest.memory_bytes * USABLE_FRACTION
    gpus = plan.gpus * machine.nodes
    needed = parameters * _bytes_per_weight(plan, gpus) + WORKING_BYTES
    arithmetic = (
        f"{parameters / 1e9:.2f} B weights ({plan.training.method}, sharding {plan.training.sharding}) on "
        f"{gpus} GPUs need {needed / GIB:.1f} GiB each, {usable / GIB:.1f} GiB are usable"
    )
    if needed > usable:
        raise TrainerError(
            ExitCode.GPU_MEMORY_TOO_SMALL,
            "GPU_MEMORY_TOO_SMALL",
            f"{smallest.name} is too small: {arithmetic}.",
            "Choose a capacity option with larger or more GPUs, use training.method: lora, or set "
            "training.sharding to zero3-offload, which is slower.",
        )
    return arithmetic


def _bytes_per_weight(plan: Plan, gpus: int) -> float:
    """On each GPU. `auto` is counted as the plan counts: all states spread over the GPUs, none taken off."""
    method, sharding = plan.training.method, plan.training.sharding
    total = STATE_BYTES[method]
    if sharding == "auto":
        return total / gpus
    # Without full training there are only frozen weights: whole below ZeRO-3, and never taken off.
    whole = WHOLE_BYTES[sharding] if method == "full" else total * (sharding in ("none", "zero2"))
    offloaded = OFFLOADED_BYTES.get(sharding, 0) if method == "full" else 0
    return whole + (total - whole - offloaded) / gpus


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
