"""The recipe's method, with the libraries that there are."""

from roslin_trainer.plan import Plan
from roslin_trainer.preflight.machine import Machine
from roslin_trainer.quantisation import check_quantisation


def check_method(plan: Plan, machine: Machine) -> str:
    check_quantisation(plan.training)
    return plan.training.method
