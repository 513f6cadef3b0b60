"""What can be known to go wrong is found out in seconds, before the model is fetched."""

from pathlib import Path

from roslin_trainer.log import log
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.disk import check_scratch, check_shared_memory
from roslin_trainer.preflight.driver import check_driver
from roslin_trainer.preflight.gpus import check_architecture, check_count, check_memory
from roslin_trainer.preflight.machine import Machine, read_machine
from roslin_trainer.preflight.precision import check_precision
from roslin_trainer.preflight.storage import check_storage

# Each returns what it found, or raises TrainerError. The driver comes first: GPUs are seen through it.
GPU_CHECKS = {
    "driver": check_driver,
    "GPUs": check_count,
    "architecture": check_architecture,
    "GPU memory": check_memory,
    "shared memory": check_shared_memory,
}
CHECKS = {
    "precision": check_precision,
    "storage": check_storage,
    "scratch disk": check_scratch,
}


def check_node(plan: Plan, scratch: Path) -> None:
    """This machine, against the plan. The ranks check later whether they reach each other."""
    run_checks(plan, read_machine(scratch))


def run_checks(plan: Plan, machine: Machine) -> None:
    for name, check in {**(GPU_CHECKS if plan.gpus else {}), **CHECKS}.items():
        log(f"preflight {name}: {check(plan, machine)}: ok")
