"""The recipe's precision, on these GPUs or on the CPU."""

from roslin_trainer.plan import Plan
from roslin_trainer.precision import Processor, resolve_precision
from roslin_trainer.preflight.machine import Machine


def check_precision(plan: Plan, machine: Machine) -> str:
    wanted = plan.training.precision
    if plan.gpus == 0:
        precision, reason = resolve_precision(wanted, Processor.cpu(machine.cpu_has_bf16))
    elif machine.gpus:
        oldest = min(machine.gpus, key=lambda gpu: gpu.capability)
        precision, reason = resolve_precision(wanted, Processor.gpu(oldest.name, oldest.capability))
    else:
        return f"{wanted} (no NVML: the ranks look again)"
    return f"{precision} ({reason})"
