"""Which number format to train in."""

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode

# Ampere: the first generation with bf16. Earlier ones only emulate it, many times slower.
BF16_CAPABILITY = (8, 0)
VALUE_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


def resolve_precision(wanted: str, capability: tuple[int, int] | None, device: str) -> tuple[str, str]:
    """The recipe's precision on a GPU of a compute capability, or on a CPU (None), and why it is that one.

    Raises TrainerError PRECISION_UNSUPPORTED.
    """
    has_bf16 = capability is not None and capability >= BF16_CAPABILITY
    if wanted == "auto":
        if capability is None:
            return "fp32", f"{device} trains in fp32"
        return (
            ("bf16", f"{device} has bf16")
            if has_bf16
            else ("fp16", f"{device} has no bf16; loss scaling is on")
        )
    if wanted == "fp32" or (wanted == "fp16" and capability is not None) or (wanted == "bf16" and has_bf16):
        return wanted, "as the recipe says"
    raise TrainerError(
        ExitCode.PRECISION_UNSUPPORTED,
        "PRECISION_UNSUPPORTED",
        f"training.precision is {wanted}, which {device} does not train in.",
        "Set training.precision to auto.",
    )
