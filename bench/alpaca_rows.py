"""Rows with the lengths of Alpaca's: the data itself is licensed for non-commercial use and not here.

Alpaca's 51,002 training rows have, in tokens of GPT-2's kind with Dolly's template, a mean of 131, a median
of 110 and a 95th percentile of 312. A log-normal length less 50 has all three. Lengths are its quantiles, so
that few rows are like many; tokens and prompts are drawn by seed.
"""

from statistics import NormalDist

import numpy as np

from roslin_trainer.tokens import TokenRow

# "Below is an instruction … completes the request." and the instruction's heading, as GPT-2 splits them.
SHARED_PREFIX_TOKENS = 23
# The prefix and what else the template adds before the response: "\n\n### Response:\n".
TEMPLATE_TOKENS = 29
# Two rows of five have an input. Lengths of instructions and inputs are guessed: 60 % of tokens are learned.
WITH_INPUT = 0.4
SHORTEST, LONGEST = 40, 1024
SHORTEST_RESPONSE = 8


def alpaca_like_rows(count: int, vocabulary: int, seed: int) -> list[TokenRow]:
    """All rows begin with the same template, and everything after the prompt is learned."""
    stream = np.random.RandomState(seed)
    prefix = stream.randint(2, vocabulary, SHARED_PREFIX_TOKENS)
    return [_row(stream, prefix, vocabulary, (index + 0.5) / count) for index in range(count)]


def _row(stream: np.random.RandomState, prefix: np.ndarray, vocabulary: int, quantile: float) -> TokenRow:
    length = 160 * np.exp(0.4967 * NormalDist().inv_cdf(quantile)) - 50
    length = int(np.clip(length, SHORTEST, LONGEST))
    prompt = TEMPLATE_TOKENS + int(stream.lognormal(np.log(16), 0.5))
    if stream.random_sample() < WITH_INPUT:
        prompt += int(stream.lognormal(np.log(20), 0.5))
    prompt = min(prompt, length - SHORTEST_RESPONSE)
    ids = np.concatenate([prefix, stream.randint(2, vocabulary, length - len(prefix))])
    return TokenRow(ids.astype(np.int32), np.arange(length) >= prompt)
