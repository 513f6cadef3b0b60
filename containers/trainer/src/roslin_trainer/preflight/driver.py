"""The GPU driver against the CUDA that PyTorch was built with."""

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.driver_matrix import (
    OLDEST_DRIVER,
    TURING,
    VOLTA_LAST_BRANCH,
    known_good,
    parse_version,
)
from roslin_trainer.preflight.machine import Machine


def check_driver(plan: Plan, machine: Machine) -> str:
    """Refuses what cannot work. What may work but was never tried is let through, and said so."""
    if machine.torch_cuda is None:
        raise _mismatch(f"PyTorch {machine.torch_version} is built without CUDA")
    if machine.driver_version is None or machine.cuda_driver_version is None:
        return f"of unknown version (no NVML: {machine.nvml_note})"
    driver, cuda = parse_version(machine.driver_version), parse_version(machine.torch_cuda)
    oldest = OLDEST_DRIVER.get(cuda[0])
    if oldest and driver < oldest:
        raise _mismatch(
            f"The NVIDIA driver is {machine.driver_version}; PyTorch {machine.torch_version} with "
            f"CUDA {machine.torch_cuda} needs {_text(oldest)} or newer"
        )
    old_gpus = sorted({gpu.name for gpu in machine.gpus if gpu.capability < TURING})
    if old_gpus and driver[0] > VOLTA_LAST_BRANCH:
        raise _mismatch(
            f"The NVIDIA driver is {machine.driver_version}; R{VOLTA_LAST_BRANCH} is the last branch for "
            f"{', '.join(old_gpus)}"
        )
    line = known_good(machine.torch_version, cuda, driver)
    found = (
        f"{machine.driver_version}, CUDA {_text(machine.cuda_driver_version)} driver for "
        f"PyTorch {machine.torch_version}"
    )
    return found if line else f"{found}, a pair that is not among the known good ones but should work"


def _mismatch(what: str) -> TrainerError:
    return TrainerError(
        ExitCode.DRIVER_MISMATCH,
        "DRIVER_MISMATCH",
        f"{what}.",
        "Use a machine image with a driver of R535 to R580 (amiId in the team file); from 515.105.01 on "
        "there is the trainer image's variant driver515 (trainerImage; docs/images.md).",
    )


def _text(version: tuple[int, ...]) -> str:
    """In NVIDIA's way: the third part of a driver's version has two digits."""
    return ".".join(f"{part:02}" if place == 2 else str(part) for place, part in enumerate(version))
