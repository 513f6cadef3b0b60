"""`python -m roslin_trainer [prepare|train|evaluate]`: runs one step of a plan."""

import argparse
import os
import sys
import time
import traceback

from roslin_trainer.error_file import remove_error, write_error
from roslin_trainer.errors import as_trainer_error
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.inputs import Inputs
from roslin_trainer.log import log
from roslin_trainer.nodes import read_nodes
from roslin_trainer.plan import Plan, read_plan
from roslin_trainer.real_machine import MachineReport
from roslin_trainer.scratch import Scratch
from roslin_trainer.signals import StopSignal
from roslin_trainer.storage import open_folder

STEPS = ("prepare", "train", "evaluate")


def main() -> int:
    step, plan_uri = _arguments()
    started = time.monotonic()
    scratch = None
    try:
        stop = StopSignal()
        plan = read_plan(plan_uri)
        if read_nodes().is_main:
            remove_error(plan_uri)
        log(f"{step}: run {plan.run_id}")
        scratch = Scratch(plan.run_id, step)
        run_step(step, plan, plan_uri, Inputs(scratch.folder), stop)
    except BaseException as error:
        named = as_trainer_error(error)
        if named.exit_code == ExitCode.UNEXPECTED:
            traceback.print_exc()
        log(f"{step} failed: {named.message} [{named.code}, exit code {int(named.exit_code)}]")
        log(named.next_step)
        write_error(plan_uri, step, named)
        return named.exit_code
    finally:
        if scratch:
            scratch.remove()
    log(f"{step}: done in {time.monotonic() - started:.1f} s")
    return ExitCode.SUCCEEDED


def run_step(step: str, plan: Plan, plan_uri: str, inputs: Inputs, stop: StopSignal) -> None:
    # Imported here, after the first words and each in the one step that needs it: they take seconds.
    if step == "prepare":
        from roslin_trainer.prepare import prepare

        prepare(plan, inputs.scratch)
        return
    with MachineReport(open_folder(plan.run_uri), inputs.price):
        if step == "train":
            from roslin_trainer.train_step import train

            train(plan, plan_uri, inputs, stop)
        else:
            from roslin_trainer.evaluate import evaluate

            evaluate(plan, inputs.scratch)


def _arguments() -> tuple[str, str]:
    parser = argparse.ArgumentParser(prog="roslin_trainer", description=__doc__)
    parser.add_argument("step", nargs="?", choices=STEPS, default=os.environ.get("ROSLIN_STEP"))
    step = parser.parse_args().step
    plan_uri = os.environ.get("ROSLIN_PLAN_URI")
    if step not in STEPS:
        parser.error(f"no step: give one of {', '.join(STEPS)}, or set ROSLIN_STEP to one")
    if not plan_uri:
        parser.error(
            "ROSLIN_PLAN_URI is not set: it points to the run's plan.json, on S3 or in a local folder"
        )
    return step, plan_uri


if __name__ == "__main__":
    sys.exit(main())
