"""Times the trainer's engine and the published recipe on the same steps, in turns; prints one JSON line.

Usage: trainer_speed.py gptj|neox OURS THEIRS, by itself for one process or under torchrun for ranks; one
thread each. OURS and THEIRS are precisions: fp32 or bf16.
"""

import copy
import json
import statistics
import sys
import time
from types import SimpleNamespace

import torch
import torch.distributed as distributed
from transformers import AutoModelForCausalLM, GPTJConfig, GPTNeoXConfig

from alpaca_rows import alpaca_like_rows
from published_recipe import PublishedRecipe
from roslin_trainer.attention import attention_for
from roslin_trainer.batches import BatchPlan
from roslin_trainer.data_parallel_engine import DataParallelEngine
from roslin_trainer.engine import TorchEngine
from roslin_trainer.model import quiet_libraries, with_fused_gelu
from roslin_trainer.wide_products import are_products_wide

# Its order of rows has about the padding of the long run: 2.2 slots a token, 2.7 with the wait of two ranks.
SEED = 41
ROWS_PER_RANK = 8
STEPS = 5
REPETITIONS = 5
LEARNING_RATE = 1e-5
MAX_TOKENS = 1024
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
# The output head does the same share of the products as in GPT-J-6B (3.4 %) and in Pythia-160M (a quarter).
# With 50,000 tokens on models so small it would do most, and leaving out useless rows would count for more.
CONFIGS = {
    "gptj": GPTJConfig(
        **SPECIAL,
        vocab_size=1024,
        n_positions=MAX_TOKENS,
        n_embd=384,
        n_layer=6,
        n_head=6,
        rotary_dim=16,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    ),
    "neox": GPTNeoXConfig(
        **SPECIAL,
        vocab_size=8192,
        hidden_size=256,
        num_hidden_layers=8,
        num_attention_heads=4,
        intermediate_size=1024,
        max_position_embeddings=MAX_TOKENS,
    ),
}


class Ours:
    """The trainer's own engine and plan of batches, as its loop uses them."""

    def __init__(self, config, dtype: torch.dtype, rows, rank: int, world_size: int):
        self._rows = rows
        torch.manual_seed(SEED)
        attention = attention_for(config, MAX_TOKENS)
        model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
        self._model = with_fused_gelu(model)
        settings = SimpleNamespace(learning_rate=LEARNING_RATE, weight_decay=0.0, uses_adapters=False)
        self.engine = engine_for(self._model, settings, dtype, world_size)
        self.batches = BatchPlan(
            row_lengths=[len(row.ids) for row in rows],
            rows_per_step=ROWS_PER_RANK * world_size,
            world_size=world_size,
            pack_tokens=self.engine.pack_tokens,
            is_padded=self.engine.is_padded,
            seed=SEED,
        )
        self._rank = rank

    def accumulate(self, step_rows: list[int], step_tokens: int) -> float:
        packs = self.batches.micro_batches(step_rows, self._rank)
        loss = 0.0
        for index, pack in enumerate(packs):
            rows = [self._rows[row] for row in pack]
            loss += self.engine.accumulate(rows, step_tokens, index == len(packs) - 1)
        return float(loss) / step_tokens

    def update(self) -> None:
        self.engine.update(LEARNING_RATE)

    def gradients(self) -> list[torch.Tensor]:
        return [weight.grad for weight in self._model.parameters()]


def engine_for(model, settings, dtype: torch.dtype, world_size: int):
    """As build_engine.py chooses it on CPUs."""
    return (TorchEngine if world_size == 1 else DataParallelEngine)(model, settings, dtype)


def main() -> None:
    torch.set_num_threads(1)
    quiet_libraries()
    model, our_precision, their_precision = sys.argv[1:]
    config = CONFIGS[model]
    rank, world_size = join_ranks()
    rows = alpaca_like_rows(ROWS_PER_RANK * world_size * STEPS, config.vocab_size, SEED)
    torch.manual_seed(SEED)
    theirs = PublishedRecipe(copy.deepcopy(config), LEARNING_RATE, DTYPES[their_precision])
    ours = Ours(copy.deepcopy(config), DTYPES[our_precision], rows, rank, world_size)
    steps = list(ours.batches.steps(epoch=0))
    seconds = {"ours": [[] for _ in steps], "theirs": [[] for _ in steps]}
    loss_difference = gradient_difference = 0.0
    # The first round warms both up, and is not counted.
    for repetition in range(REPETITIONS + 1):
        for index, step_rows in enumerate(steps if repetition else steps[:1]):
            step_tokens = sum(rows[row].supervised_tokens for row in step_rows)
            share = [rows[row] for row in step_rows[rank::world_size]]
            their_seconds, their_loss = timed(theirs.accumulate, share, step_tokens)
            our_seconds, our_loss = timed(ours.accumulate, step_rows, step_tokens)
            loss_difference = max(loss_difference, abs(total(their_loss) - total(our_loss)))
            pairs = zip(theirs.gradients(), ours.gradients(), strict=True)
            differences = [(their - our).abs().max().item() for their, our in pairs]
            gradient_difference = max(gradient_difference, *differences)
            their_seconds += timed(theirs.update)[0]
            our_seconds += timed(ours.update)[0]
            if repetition:
                seconds["theirs"][index].append(their_seconds)
                seconds["ours"][index].append(our_seconds)
    # On all ranks: the floor is what a core reaches while the others work too.
    figures = report(
        config, rows, steps, world_size, seconds, loss_difference, gradient_difference, DTYPES[our_precision]
    )
    if rank == 0:
        print(json.dumps(figures))
    if world_size > 1:
        distributed.destroy_process_group()


def report(
    config, rows, steps, world_size, seconds, loss_difference, gradient_difference, dtype: torch.dtype
) -> dict:
    medians = {name: sum(statistics.median(step) for step in values) for name, values in seconds.items()}
    real_tokens = sum(len(row.ids) for row in rows)
    product_dtype = torch.float32 if are_products_wide(dtype) else dtype
    slots = [
        width * len(share)
        for step in steps
        for share in (step[rank::world_size] for rank in range(world_size))
        for width in [-(-max(len(rows[row].ids) for row in share) // 8) * 8]
    ]
    return {
        "parametersMillion": parameters(config) / 1e6,
        "samplesPerSecond": {name: len(rows) / total_seconds for name, total_seconds in medians.items()},
        "lossDifference": loss_difference,
        "gradientDifference": gradient_difference,
        "slotsPerToken": sum(slots) / real_tokens,
        "meanTokens": real_tokens / len(rows),
        "floor": medians["ours"]
        * world_size
        / (step_flops(config, rows) / product_flops_per_second(product_dtype)),
    }


def parameters(config) -> int:
    return sum(weight.numel() for weight in weights_without_memory(config))


def weights_without_memory(config) -> list[torch.Tensor]:
    with torch.device("meta"):
        return list(AutoModelForCausalLM.from_config(config).parameters())


def step_flops(config, rows) -> float:
    """Forward and backward of the real tokens: all products, the head's where learned, causal attention."""
    width, layers = config.hidden_size, config.num_hidden_layers
    tokens = sum(len(row.ids) for row in rows)
    learned = sum(row.supervised_tokens for row in rows)
    pairs = sum(len(row.ids) * (len(row.ids) + 1) / 2 for row in rows)
    layer = 24 * width**2 * tokens + 4 * width * pairs
    return 3 * (layers * layer + 2 * config.vocab_size * width * learned)


def product_flops_per_second(dtype: torch.dtype, size: int = 1024, repetitions: int = 15) -> float:
    left, right = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    return 2 * size**3 / statistics.median(timed(torch.matmul, left, right)[0] for _ in range(repetitions))


def timed(work, *arguments) -> tuple[float, object]:
    """Until the slowest rank has finished."""
    wait_for_all()
    started = time.perf_counter()
    result = work(*arguments)
    wait_for_all()
    return time.perf_counter() - started, result


def wait_for_all() -> None:
    if distributed.is_initialized():
        distributed.barrier()


def total(loss: float) -> float:
    if not distributed.is_initialized():
        return loss
    value = torch.tensor(loss, dtype=torch.float64)
    distributed.all_reduce(value)
    return value.item()


def join_ranks() -> tuple[int, int]:
    if not distributed.is_torchelastic_launched():
        return 0, 1
    distributed.init_process_group("gloo")
    return distributed.get_rank(), distributed.get_world_size()


if __name__ == "__main__":
    main()
