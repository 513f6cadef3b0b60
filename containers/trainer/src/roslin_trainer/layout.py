"""How a checkpoint's state is divided over the ranks: it is read again only where it is divided alike."""

from dataclasses import dataclass

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode

# What one kind of a group wrote the others read. `none` is DeepSpeed's on GPUs, and PyTorch's on CPUs.
SAME_STATE = {
    "cuda": (("none", "zero2"), ("zero3", "zero3-offload")),
    "cpu": (("none",), ("zero2",), ("zero3", "zero3-offload")),
}


@dataclass(frozen=True)
class Layout:
    """`sharding` and `precision` as in the recipe, but never `auto`; `device` as PyTorch names it."""

    sharding: str
    world_size: int
    device: str
    precision: str

    @property
    def readers(self) -> tuple[str, ...]:
        """The kinds of sharding that read this state, its own first."""
        group = next(group for group in SAME_STATE[self.device] if self.sharding in group)
        return (self.sharding, *(kind for kind in group if kind != self.sharding))

    def __str__(self) -> str:
        processors = ("GPU" if self.device == "cuda" else "CPU rank") + ("s" if self.world_size > 1 else "")
        return f"sharding {self.sharding}, {self.world_size} {processors} and precision {self.precision}"


def check_layout(written: Layout | None, present: Layout) -> None:
    """Raises TrainerError CHECKPOINT_LAYOUT_DIFFERS. Checkpoints did not always tell their layout."""
    if written is None:
        return
    # Another world size would also read other rows in a step.
    is_divided_alike = present.sharding in written.readers and (present.world_size, present.device) == (
        written.world_size,
        written.device,
    )
    if is_divided_alike and present.precision == written.precision:
        return
    raise TrainerError(
        # Where the precision alone differs, the GPUs of the next capacity option may be of the other kind.
        ExitCode.PRECISION_UNSUPPORTED if is_divided_alike else ExitCode.USER_ERROR,
        "CHECKPOINT_LAYOUT_DIFFERS",
        f"The checkpoint to resume from was written with {written}; this job has {present}.",
        f"Resume it with sharding {' or '.join(written.readers)}, as many ranks and the same precision "
        "(training.sharding, resources.gpus, ROSLIN_CPU_RANKS, training.precision), or start a new run.",
    )
