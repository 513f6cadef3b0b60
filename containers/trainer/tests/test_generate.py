from dataclasses import replace

import pytest
import torch
from conftest import DOLLY
from transformers import AutoModelForCausalLM, GenerationConfig

from roslin_trainer import generate
from roslin_trainer.generate import answer_prompts
from roslin_trainer.model import with_adapters
from roslin_trainer.plan import EvaluationSettings, Prompt
from roslin_trainer.prompt import prompt_tokens

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


# What a base model may bring along: each would make other answers, or none.
HABITS = {
    "repetition_penalty": 1.9,
    "no_repeat_ngram_size": 2,
    "num_beams": 3,
    "min_p": 0.9,
    "typical_p": 0.1,
    "epsilon_cutoff": 0.5,
    "max_time": 1e-6,
    "suppress_tokens": list(range(2, 300)),
    "return_dict_in_generate": True,
}


@pytest.mark.parametrize("temperature", [0, 1])
@pytest.mark.parametrize("is_adapted", [False, True], ids=["full", "lora"])
def test_answers_are_by_the_settings_and_not_by_the_models_own(
    model, make_run, tokenizer, temperature, is_adapted
):
    settings = replace(GREEDY, temperature=temperature)
    expected = answer_prompts(model, tokenizer, DOLLY, settings)
    assert len(set(expected)) > 3

    own = GenerationConfig(**HABITS, eos_token_id=model.generation_config.eos_token_id)
    model.generation_config = own
    answering = with_adapters(model, make_run().plan.training, "") if is_adapted else model
    assert answer_prompts(answering, tokenizer, DOLLY, settings) == expected
    # Benchmarks come after it, by what their tasks and the model say.
    assert answering.generation_config is model.generation_config is own


def test_an_answer_ends_at_the_models_own_end_token(model, tokenizer):
    prompt = torch.tensor([prompt_tokens(tokenizer, DOLLY, PROMPTS[0].instruction, None)])
    first_id = model(prompt).logits[0, -1].argmax().item()
    settings = replace(GREEDY, prompts=PROMPTS[:1])
    start = answer_prompts(model, tokenizer, DOLLY, replace(settings, max_new_tokens=1))
    assert answer_prompts(model, tokenizer, DOLLY, settings) != start
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, first_id]
    assert answer_prompts(model, tokenizer, DOLLY, settings) == start
