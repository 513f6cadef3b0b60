from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import DOLLY

from roslin_trainer.evaluate import held_out_loss
from roslin_trainer.generate import answer_prompts
from roslin_trainer.model import load_model, load_tokenizer
from roslin_trainer.placement import place
from roslin_trainer.plan import EvaluationSettings, Prompt
from roslin_trainer.tokens import TokenRow

GIB = 2**30
FIRST_HALVES = {
    "gptj": ["transformer.wte", "transformer.drop", "transformer.h.0"],
    "neox": ["gpt_neox.embed_in", "gpt_neox.emb_dropout", "gpt_neox.rotary_emb", "gpt_neox.layers.0"],
}
SECOND_HALVES = {
    "gptj": ["transformer.h.1", "transformer.ln_f", "lm_head"],
    "neox": ["gpt_neox.layers.1", "gpt_neox.final_layer_norm", "lm_head"],
}
HELD_OUT = [TokenRow(np.arange(2, 2 + tokens, dtype=np.int32), np.arange(tokens) > 4) for tokens in (30, 12)]
SETTINGS = EvaluationSettings(
    prompts=(Prompt("Count.", None, None), Prompt("Count to nine.", "Use words.", None)),
    max_new_tokens=8,
    temperature=1.0,
    top_p=0.92,
    top_k=0,
    seed=1,
    benchmarks=None,
)


@pytest.fixture
def v100(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=32 * GIB)
    )


def test_without_a_gpu_nothing_is_placed():
    assert place(12 * GIB) is None


def test_a_model_lies_on_one_gpu_where_it_leaves_room(v100):
    assert place(int(6.05e9 * 2)) == {"": 0}


def test_layers_of_a_larger_model_are_spread_over_all_gpus(v100):
    assert place(int(11.9e9 * 2)) == "auto"


@pytest.mark.parametrize("architecture", ["gptj", "neox"])
def test_a_model_in_parts_answers_as_the_whole(model_folders, architecture):
    """Half of it stays on the disk; the hooks that bring it are those that pass tensors between GPUs."""
    folder = model_folders[architecture]
    tokenizer = load_tokenizer(folder, "test")

    def results(device_map=None):
        model = load_model(folder, "test", torch.float32, device_map=device_map).eval()
        return (
            held_out_loss(model, HELD_OUT, tokenizer.pad_token_id),
            answer_prompts(model, tokenizer, DOLLY, SETTINGS),
        )

    parts = dict.fromkeys(FIRST_HALVES[architecture], "cpu") | dict.fromkeys(
        SECOND_HALVES[architecture], "disk"
    )
    assert results(parts) == results()
