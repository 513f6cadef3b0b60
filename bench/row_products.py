"""Times a row's attention and its gradient by plain products and by SDPA, in turns; prints one JSON line.

Usage: row_products.py fp32|bf16.
"""

import json
import statistics
import sys

import torch

from roslin_trainer import attention
from roslin_trainer.model import quiet_libraries
from trainer_speed import CONFIGS, DTYPES, timed

REPETITIONS = 15
# Rows up to the trainer's limits and beyond, after the prefix that Alpaca's rows have in common.
PREFIX_TOKENS = 23
ROW_TOKENS = (64, 128, 256, 512, 1000, 2000)


def main() -> None:
    torch.set_num_threads(1)
    quiet_libraries()
    dtype = DTYPES[sys.argv[1]]
    print(json.dumps({"rows": [compare(tokens, dtype) for tokens in ROW_TOKENS]}))


def compare(tokens: int, dtype: torch.dtype) -> dict:
    config = CONFIGS["gptj"]
    shape = (1, PREFIX_TOKENS + tokens, config.n_head, config.n_embd // config.n_head)
    # As a layer's projections leave them.
    inputs = [torch.randn(shape).to(dtype).transpose(1, 2).requires_grad_() for _ in range(3)]
    layout = torch.tensor([PREFIX_TOKENS, tokens])[None, None, None]
    times = [(attend(inputs, layout, True), attend(inputs, layout, False)) for _ in range(REPETITIONS + 1)]
    # The first round warms both up, and is not counted.
    products_seconds, sdpa_seconds = map(statistics.median, zip(*times[1:], strict=True))
    return {"tokens": tokens, "productsMs": products_seconds * 1000, "sdpaMs": sdpa_seconds * 1000}


def attend(inputs: list[torch.Tensor], layout: torch.Tensor, by_products: bool) -> float:
    """Seconds of a layer's attention and its gradient."""
    longest = sys.maxsize if by_products else 0
    attention.LONGEST_ROW_BY_PRODUCTS = dict.fromkeys(DTYPES.values(), longest)

    def there_and_back() -> None:
        output, _ = attention.packed_attention(None, *inputs, layout)
        output.backward(torch.ones_like(output))

    return timed(there_and_back)[0]


if __name__ == "__main__":
    main()
