"""How a run uses its GPUs' memory: what is spread over them, what is computed twice, how long a pack may be.

States: ZeRO (Rajbhandari et al. 2020, section 3.1). Activations: Korthikanti et al. 2022, section 4.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.layout import Layout
from roslin_trainer.plan import Training

# Bytes per trained weight: its 32-bit copy and Adam's two moments; its gradient in 32 bits, during the step.
OPTIMIZER_BYTES = 12
STEP_BYTES = 4
# A frozen weight in 4 bits, with the scales of its blocks and the layers that stay in 16 bits.
QLORA_WEIGHT_BYTES = 0.7
# What CUDA, fragmentation and the libraries' own buffers leave of a GPU's memory.
USABLE_FRACTION = 0.92
# Gradients are reduced in buckets, one fills while another is sent; ZeRO-3 gathers so many weights at once.
BUCKET_VALUES = 200_000_000
GATHERED_WEIGHTS = 1_000_000_000
# Host memory that is pinned once more for transfers, and left to the system.
HOST_USABLE_FRACTION = 0.7
# Longer packs make no matrix product faster.
MAX_PACK_TOKENS = 32_768

ZERO_STAGE = {"none": 1, "zero2": 2, "zero3": 3, "zero3-offload": 3}


@dataclass(frozen=True)
class ModelSize:
    parameters: int
    trained: int
    layers: int
    width: int
    vocabulary: int
    layer_activations: float
    """Values that a layer keeps for a token, over its width."""


@dataclass(frozen=True)
class Machine:
    """All GPUs of the run, and the memory of one GPU and one host."""

    gpus: int
    gpu_bytes: int
    gpus_per_host: int
    host_bytes: int
    has_gpus: bool = True
    """If not, its ranks on CPUs count as GPUs, and under `none` each keeps all of Adam's state."""


@dataclass(frozen=True)
class Wanted:
    """The recipe's words, its longest row, and how many tokens a GPU may read in a step."""

    method: str
    sharding: str
    gradient_checkpointing: str
    value_bytes: int
    row_tokens: int
    step_tokens: int

    @classmethod
    def by(cls, training: Training, value_bytes: int) -> "Wanted":
        """`value_bytes` are those of a value in the precision that is trained in."""
        rows_per_step = training.batch_size_per_gpu * training.gradient_accumulation_steps
        return cls(
            method=training.method,
            sharding=training.sharding,
            gradient_checkpointing=training.gradient_checkpointing,
            value_bytes=value_bytes,
            row_tokens=training.max_tokens,
            step_tokens=rows_per_step * training.max_tokens,
        )


@dataclass(frozen=True)
class Sharding:
    """`kind` as in the recipe. `none` still divides Adam's state over GPUs, which costs no speed there."""

    kind: str
    gradient_checkpointing: bool
    pack_tokens: int
    reason: str

    @property
    def stage(self) -> int:
        return ZERO_STAGE[self.kind]


def choose_sharding(
    size: ModelSize, machine: Machine, wanted: Wanted, written: Layout | None = None
) -> Sharding:
    """The first that fits of what `_candidates` offers. Raises TrainerError GPU_MEMORY_TOO_SMALL.

    `written` is the layout of the state to resume from: `auto` takes what reads it. A kind that the recipe
    names is taken also where the estimate says that it does not fit.
    """
    refused = []
    for kind, checkpointing in _candidates(machine, wanted, written):
        need = _Need(size, machine, wanted, kind, checkpointing)
        if need.fits:
            words = [
                f"{_name(kind)}: {need.sentence}",
                *refused[-1:],
                _checkpointing_reason(wanted, checkpointing),
            ]
            if written and wanted.sharding == "auto":
                words.append(f"it reads the state of the checkpoint, which {_name(written.sharding)} wrote")
            return Sharding(kind, checkpointing, need.pack_tokens, "; ".join(words))
        refused.append(need.refusal)
    if wanted.sharding != "auto":
        reason = f"{_name(kind)}: as the recipe says, although by the estimate {need.refusal}"
        return Sharding(kind, checkpointing, wanted.row_tokens, reason)
    raise _too_small(need, written)


def _too_small(need: "_Need", written: Layout | None) -> TrainerError:
    how = "whatever is spread over them"
    change = (
        "Choose an instance with more GPU memory or more GPUs, training.method lora or qlora, "
        "or a lower training.maxTokens"
    )
    if written:
        how = f"spread so that the state of the checkpoint is read, which {_name(written.sharding)} wrote"
        change = "Choose an instance with more GPU memory, or start a new run"
    return TrainerError(
        ExitCode.GPU_MEMORY_TOO_SMALL,
        "GPU_MEMORY_TOO_SMALL",
        f"{need.states} do not fit {need.gpus}, {how}: {need.refusal}.",
        f"{change}; training.sharding overrides this estimate.",
    )


def zero_config(kind: str, on_gpu: bool) -> dict:
    """DeepSpeed's `zero_optimization`."""
    stage = ZERO_STAGE[kind]
    config = {
        "stage": stage,
        "overlap_comm": on_gpu,
        "contiguous_gradients": True,
        "reduce_bucket_size": BUCKET_VALUES,
        "allgather_bucket_size": BUCKET_VALUES,
        "stage3_max_live_parameters": GATHERED_WEIGHTS,
    }
    if kind == "zero3-offload":
        for part in ("offload_optimizer", "offload_param"):
            config[part] = {"device": "cpu", "pin_memory": on_gpu}
    return config


def _candidates(machine: Machine, wanted: Wanted, written: Layout | None) -> Iterator[tuple[str, bool]]:
    checkpointing = {"on": [True], "off": [False], "auto": [False, True]}[wanted.gradient_checkpointing]
    for group in _groups(machine, wanted, written):
        for twice in checkpointing:
            for kind in group:
                yield kind, twice


def _groups(machine: Machine, wanted: Wanted, written: Layout | None) -> list[list[str]]:
    """The fastest first: computing activations twice costs a third of a step, ZeRO-3 less, offload more."""
    if wanted.sharding != "auto":
        return [[wanted.sharding]]
    if written:
        return [[kind] for kind in written.readers]
    kinds = ["none"] if machine.gpus == 1 else ["none", "zero2", "zero3"]
    if wanted.method == "qlora":
        # ZeRO-3 cannot divide weights in 4 bits.
        return [[kind for kind in kinds if kind != "zero3"]]
    return [kinds, ["zero3-offload"]]


class _Need:
    """What a GPU has to hold, in GB of 1e9 bytes."""

    def __init__(self, size: ModelSize, machine: Machine, wanted: Wanted, kind: str, checkpointing: bool):
        frozen_bytes = QLORA_WEIGHT_BYTES if wanted.method == "qlora" else wanted.value_bytes
        weights = (frozen_bytes * (size.parameters - size.trained) + wanted.value_bytes * size.trained) / 1e9
        gradients = wanted.value_bytes * size.trained / 1e9
        optimizer = (OPTIMIZER_BYTES + STEP_BYTES) * size.trained / 1e9
        everything = weights + gradients + optimizer
        stage = ZERO_STAGE[kind]
        parts = machine.gpus
        optimizer_parts = parts if machine.has_gpus or kind != "none" else 1
        self._states_gb = (
            (weights / parts if stage == 3 else weights)
            + (gradients / parts if stage >= 2 else gradients)
            + optimizer / optimizer_parts
        )
        self._host_gb = 0.0
        if kind == "zero3-offload":
            self._states_gb, self._host_gb = 0.0, everything * machine.gpus_per_host / parts
        buffered = 2 * BUCKET_VALUES + (GATHERED_WEIGHTS if stage == 3 else 0)
        self._buffers_gb = wanted.value_bytes * buffered / 1e9
        usable_gb = machine.gpu_bytes * USABLE_FRACTION / 1e9
        self._host_usable_gb = machine.host_bytes * HOST_USABLE_FRACTION / 1e9
        token_gb = _activation_bytes(size, wanted.value_bytes, checkpointing) / 1e9
        room_gb = usable_gb - self._states_gb - self._buffers_gb
        most_tokens = max(wanted.step_tokens, wanted.row_tokens)
        # Room for two of the longest rows: a pack of one would leave the GPU idle between short rows.
        least_tokens = min(most_tokens, 2 * wanted.row_tokens)
        self.pack_tokens = min(int(room_gb / token_gb), most_tokens, max(MAX_PACK_TOKENS, least_tokens))
        self.fits = self.pack_tokens >= least_tokens and self._host_gb <= self._host_usable_gb
        self._least_gb = token_gb * least_tokens
        self._pack_gb = token_gb * self.pack_tokens
        self._usable_gb = usable_gb
        self._kind, self._checkpointing = kind, checkpointing
        trained = f", {size.trained / 1e6:,.1f} M of them trained," if size.trained < size.parameters else ""
        states_gb = everything - STEP_BYTES * size.trained / 1e9
        self.states = f"{size.parameters / 1e9:.2f} B parameters{trained} need {states_gb:.1f} GB of states"
        self.gpus = f"{machine.gpus} × {machine.gpu_bytes / 1e9:.0f} GB"

    @property
    def sentence(self) -> str:
        host = f", {self._host_gb:.1f} GB go to the host's memory" if self._host_gb else ""
        return (
            f"{self.states}{host}; a GPU of {self.gpus} holds {self._states_gb:.1f} GB of them, "
            f"{self._buffers_gb:.1f} GB of buffers and {self._pack_gb:.1f} GB of activations "
            f"({self.pack_tokens:,} tokens a pack)"
        )

    @property
    def refusal(self) -> str:
        how = f"{_name(self._kind)}{' with gradient checkpointing' if self._checkpointing else ''}"
        if self._host_gb > self._host_usable_gb:
            return f"{how} needs {self._host_gb:.1f} of {self._host_usable_gb:.1f} GB of usable host memory"
        needed = self._states_gb + self._buffers_gb + self._least_gb
        return f"{how} needs {needed:.1f} of {self._usable_gb:.1f} usable GB a GPU"


def _activation_bytes(size: ModelSize, value_bytes: int, checkpointing: bool) -> float:
    """Of one token: all layers' activations, or their inputs and one layer's; its logits and gradient."""
    layer = size.layer_activations * size.width
    layers = size.layers * size.width + layer if checkpointing else size.layers * layer
    return value_bytes * (layers + 2 * size.vocabulary)


def _checkpointing_reason(wanted: Wanted, checkpointing: bool) -> str:
    if wanted.gradient_checkpointing != "auto":
        return f"gradient checkpointing {wanted.gradient_checkpointing}: as the recipe says"
    if checkpointing:
        return "gradient checkpointing on: activations do not fit without it"
    return "gradient checkpointing off: activations fit without it"


def _name(kind: str) -> str:
    return "zero3+cpu-offload" if kind == "zero3-offload" else kind
