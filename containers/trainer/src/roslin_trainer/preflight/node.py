"""This machine, against the plan: in seconds, before the model is fetched."""

from pathlib import Path

from roslin_trainer.log import log
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.disk import check_scratch, check_shared_memory
from roslin_trainer.preflight.driver import check_driver
from roslin_trainer.preflight.gpus import check_architecture, check_count
from roslin_trainer.preflight.machine import Machine, read_machine
from roslin_trainer.preflight.memory import check_memory
from roslin_trainer.preflight.method import check_method
from roslin_trainer.preflight.precision import check_precision
from roslin_trainer.preflight.storage import check_storage

# Each returns what it found, or raises TrainerError. The driver comes first: GPUs are seen through it.
# Their memory comes last: how it is shared out depends on the precision, and on the model's shape in storage.
GPU_CHECKS = {
    "driver": check_driver,
    "GPUs": check_count,
    "architecture": check_architecture,
    "shared memory": check_shared_memory,
}
CHECKS = {
    "method": check_method,
    "precision": check_precision,
    "storage": check_storage,
    "scratch disk": check_scratch,
}


def check_node(plan: Plan, scratch: Path) -> None:
    """The ranks check later whether they reach each other (communication.py)."""
    run_checks(plan, read_machine(scratch))


def run_checks(plan: Plan, machine: Machine) -> None:
    checks = {**GPU_CHECKS, **CHECKS, "GPU memory": check_memory} if plan.gpus else CHECKS
    for name, check in checks.items():
        log(f"preflight {name}: {check(plan, machine)}: ok")
