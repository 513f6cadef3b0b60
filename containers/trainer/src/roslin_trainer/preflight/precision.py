"""The recipe's precision, on these GPUs or on the CPU."""

from roslin_trainer.plan import Plan
from roslin_trainer.precision import resolve_precision
from roslin_trainer.preflight.machine import Machine


def check_precision(plan: Plan, machine: Machine) -> str:
    wanted = plan.training.precision
    if plan.gpus == 0:
        precision, reason = resolve_precision(wanted, None, "a CPU")
    elif machine.gpus:
        oldest = min(machine.gpus, key=lambda gpu: gpu.capability)
        precision, reason = resolve_precision(wanted, oldest.capability, oldest.name)
    else:
        return f"{wanted} (no NVML: the ranks look again)"
    return f"{precision} ({reason})"
