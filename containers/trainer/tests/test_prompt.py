import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import DOLLY

from roslin_trainer.formats import Exchange
from roslin_trainer.plan import Template
from roslin_trainer.prompt import end_key, next_prompt_text, prompt_text, prompt_tokens, response_text
from roslin_trainer.tokens import tokenize_row

# test/core/template.test.ts holds TypeScript to the same.
EXAMPLES = json.loads((Path(__file__).parents[3] / "test/fixtures/prompts.json").read_text("utf-8"))
SHEEP = (Exchange("Name a sheep.", "", "Dolly"),)


@pytest.mark.parametrize("example", EXAMPLES)
def test_prompt_is_the_one_that_typescript_writes(example):
    template = example["template"]
    own = Template(template["prompt"], template["promptWithInput"], template["end"])
    assert prompt_text(own, example["instruction"], example.get("input")) == example["text"]


def test_prompt_is_dollys():
    assert prompt_text(DOLLY, "Name a sheep.") == (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nName a sheep.\n\n### Response:\n"
    )


def test_prompt_with_input_is_dollys():
    assert prompt_text(DOLLY, "Translate.", "Schaf").endswith(
        "### Instruction:\nTranslate.\n\nInput:\nSchaf\n\n### Response:\n"
    )
    assert prompt_text(DOLLY, "Name a sheep.", "") == prompt_text(DOLLY, "Name a sheep.")


def test_response_ends_with_the_templates_end_key():
    assert response_text(DOLLY, "Dolly") == "Dolly\n\n### End"
    own = Template("{instruction}", "{instruction}{input}", "[stop]")
    assert end_key(own) == "[stop]" and response_text(own, "Dolly") == "Dolly\n\n[stop]"


def test_later_prompt_has_no_introduction():
    assert next_prompt_text(DOLLY, "And {input}?") == "### Instruction:\nAnd {input}?\n\n### Response:\n"


@pytest.mark.parametrize("prompt", ["Q: {instruction}\nA: ", "You are a sheep. {instruction}\n### A:\n"])
def test_later_prompt_is_whole_where_no_key_stands_before_the_instruction(prompt):
    own = Template(prompt, "", "x")
    assert next_prompt_text(own, "Why?") == prompt_text(own, "Why?")


def test_row_is_learned_from_after_the_response_key_to_the_end_token(tokenizer):
    row, was_cut = tokenize_row(tokenizer, DOLLY, SHEEP, max_tokens=500)
    given, learned = row.ids[~row.learned].tolist(), row.ids[row.learned].tolist()
    assert tokenizer.decode(given) == prompt_text(DOLLY, "Name a sheep.")
    assert given == prompt_tokens(tokenizer, DOLLY, "Name a sheep.")
    assert tokenizer.decode(learned) == "Dolly\n\n### End<|end|>"
    assert not was_cut


def test_conversation_learns_every_answer_and_nothing_else(tokenizer):
    talk = (Exchange("Be brief.\n\nHello.", "", "Baa."), Exchange("And again?", "", "Baa baa."))
    row, _ = tokenize_row(tokenizer, DOLLY, talk, max_tokens=500)
    assert tokenizer.decode(row.ids) == (
        prompt_text(DOLLY, "Be brief.\n\nHello.")
        + "Baa.\n\n### End<|end|>"
        + "### Instruction:\nAnd again?\n\n### Response:\n"
        + "Baa baa.\n\n### End<|end|>"
    )
    assert tokenizer.decode(row.ids[row.learned]) == "Baa.\n\n### End<|end|>Baa baa.\n\n### End<|end|>"
    # Learned, given, learned: a prefix mask would not do.
    assert (row.learned[1:] != row.learned[:-1]).sum() == 3


def test_long_row_is_cut(tokenizer):
    whole, _ = tokenize_row(tokenizer, DOLLY, SHEEP, max_tokens=500)
    row, was_cut = tokenize_row(tokenizer, DOLLY, SHEEP, max_tokens=len(whole.ids) - 2)
    assert was_cut and row.ids.tolist() == whole.ids[:-2].tolist()
    assert row.learned.tolist() == whole.learned[:-2].tolist()


class EnclosingTokenizer:
    """Puts a token before and one after each text, unless told not to."""

    eos_token_id = 99

    def __call__(self, text, add_special_tokens=True):
        return SimpleNamespace(input_ids=[98, 1, 2, 99] if add_special_tokens else [1, 2])


def test_leading_token_stays_and_trailing_token_goes():
    assert prompt_tokens(EnclosingTokenizer(), DOLLY, "x") == [98, 1, 2]


def test_leading_token_comes_once_in_a_conversation():
    talk = (Exchange("a", "", "b"), Exchange("c", "", "d"))
    row, _ = tokenize_row(EnclosingTokenizer(), DOLLY, talk, max_tokens=500)
    assert row.ids.tolist() == [98, 1, 2, 1, 2, 99, 1, 2, 1, 2, 99]
