"""Which number format to train in."""

from dataclasses import dataclass

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode

# Ampere: the first generation with bf16. Earlier ones only emulate it, many times slower.
BF16_CAPABILITY = (8, 0)
VALUE_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True)
class Processor:
    """What computes: a GPU or the CPU."""

    name: str
    is_gpu: bool
    has_bf16: bool

    @classmethod
    def gpu(cls, name: str, capability: tuple[int, int]) -> "Processor":
        return cls(name, True, capability >= BF16_CAPABILITY)

    @classmethod
    def cpu(cls, has_bf16: bool) -> "Processor":
        return cls("a CPU with bf16" if has_bf16 else "a CPU without bf16", False, has_bf16)


def resolve_precision(wanted: str, processor: Processor, written: str | None = None) -> tuple[str, str]:
    """The recipe's precision on a processor, and why it is that one. `written` is a checkpoint's.

    Raises TrainerError PRECISION_UNSUPPORTED.
    """
    offered = {"fp32": True, "fp16": processor.is_gpu, "bf16": processor.has_bf16}
    if wanted == "auto":
        if written and offered[written]:
            return written, "as the checkpoint is"
        if not processor.is_gpu:
            # The same numbers on every machine, whatever its processor can do.
            return "fp32", "on a CPU, unless the recipe says bf16"
        if processor.has_bf16:
            return "bf16", f"{processor.name} has bf16"
        return "fp16", f"{processor.name} has no bf16; loss scaling is on"
    if offered[wanted]:
        return wanted, "as the recipe says"
    raise TrainerError(
        ExitCode.PRECISION_UNSUPPORTED,
        "PRECISION_UNSUPPORTED",
        f"training.precision is {wanted}, which {processor.name} does not train in.",
        "Set training.precision to auto.",
    )
