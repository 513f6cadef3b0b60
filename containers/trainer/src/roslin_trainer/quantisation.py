"""Whether weights can be kept in 4 bits here."""

from importlib.util import find_spec

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.plan import Training


def check_quantisation(training: Training) -> None:
    """Raises TrainerError QUANTISATION_MISSING where qlora's library is not installed."""
    if training.method == "qlora" and not find_spec("bitsandbytes"):
        raise TrainerError(
            ExitCode.USER_ERROR,
            "QUANTISATION_MISSING",
            "training.method is qlora, and this trainer has no bitsandbytes, which keeps weights in 4 bits.",
            "Install the trainer with its gpu extra (Roslin's image has it, but not the variant driver515), "
            "or set training.method to lora.",
        )
