from dataclasses import replace

import pytest
from conftest import DOLLY
from transformers import AutoModelForCausalLM

from roslin_trainer import generate
from roslin_trainer.generate import answer_prompts
from roslin_trainer.plan import EvaluationSettings, Prompt

# Of very different lengths, the longest neither first nor last.
PROMPTS = tuple(
    Prompt(f"Count from {number} to {number + 3}." + " And again." * (number * 7 % 5), None, None)
    for number in range(6)
)
GREEDY = EvaluationSettings(
    prompts=PROMPTS, max_new_tokens=24, temperature=0, top_p=0.92, top_k=0, seed=42, benchmarks=None
)


@pytest.fixture(params=["gptj", "neox", "llama"])
def model(request, model_folders):
    # Far from zero, or all prompts would get the same answer.
    model = AutoModelForCausalLM.from_pretrained(model_folders[request.param]).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data *= 8
    return model


def test_answers_do_not_depend_on_their_batch(model, tokenizer, monkeypatch):
    together = answer_prompts(model, tokenizer, DOLLY, GREEDY)
    alone = [
        answer_prompts(model, tokenizer, DOLLY, replace(GREEDY, prompts=(prompt,)))[0] for prompt in PROMPTS
    ]
    assert len(set(alone)) > 3
    assert together == alone
    monkeypatch.setattr(generate, "PROMPTS_AT_ONCE", 4)
    assert answer_prompts(model, tokenizer, DOLLY, GREEDY) == alone
