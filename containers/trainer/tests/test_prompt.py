from roslin_trainer.dataset import Row
from roslin_trainer.prompt import prompt_text, prompt_tokens, response_text
from roslin_trainer.tokens import tokenize_row


def test_prompt_is_dollys():
    assert prompt_text("Name a sheep.") == (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nName a sheep.\n\n### Response:\n"
    )


def test_prompt_with_input_is_dollys():
    assert prompt_text("Translate.", "Schaf").endswith(
        "### Instruction:\nTranslate.\n\nInput:\nSchaf\n\n### Response:\n"
    )
    assert prompt_text("Name a sheep.", "") == prompt_text("Name a sheep.")


def test_response_ends_with_end_key():
    assert response_text("Dolly") == "Dolly\n\n### End"


def test_row_is_learned_from_after_the_response_key_to_the_end_token(tokenizer):
    row, was_cut = tokenize_row(tokenizer, Row("Name a sheep.", "", "Dolly"), max_tokens=500)
    given, learned = row.ids[~row.learned].tolist(), row.ids[row.learned].tolist()
    assert tokenizer.decode(given) == prompt_text("Name a sheep.")
    assert given == prompt_tokens(tokenizer, "Name a sheep.")
    assert tokenizer.decode(learned) == "Dolly\n\n### End<|end|>"
    assert not was_cut


def test_long_row_is_cut(tokenizer):
    whole, _ = tokenize_row(tokenizer, Row("Name a sheep.", "", "Dolly"), max_tokens=500)
    row, was_cut = tokenize_row(tokenizer, Row("Name a sheep.", "", "Dolly"), max_tokens=len(whole.ids) - 2)
    assert was_cut and row.ids.tolist() == whole.ids[:-2].tolist()


def test_leading_token_stays_and_trailing_token_goes(tokenizer):
    class WithBoth:
        eos_token_id = 99

        def __call__(self, text):
            from types import SimpleNamespace

            return SimpleNamespace(input_ids=[98, 1, 2, 99])

    assert prompt_tokens(WithBoth(), "x") == [98, 1, 2]
