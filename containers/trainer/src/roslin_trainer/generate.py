"""Answers prompts with a model."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from roslin_trainer.plan import EvaluationSettings, Template
from roslin_trainer.prompt import end_key, prompt_tokens

PROMPTS_AT_ONCE = 16


class EndKeyStop(StoppingCriteria):
    """Ends each row at the end key, in whatever tokens the model spells it; a prompt may hold it too."""

    def __init__(self, tokenizer, end: str, prompt_width: int):
        self._tokenizer = tokenizer
        self._end = end
        self._prompt_width = prompt_width
        # Room for a spelling in more tokens than the shortest, and for text before it in the same token.
        self._tail_tokens = 2 * len(tokenizer(end, add_special_tokens=False).input_ids)

    def __call__(self, input_ids: torch.Tensor, scores, **_) -> torch.Tensor:
        start = max(self._prompt_width, input_ids.shape[1] - self._tail_tokens)
        tails = self._tokenizer.batch_decode(input_ids[:, start:])
        return torch.tensor([self._end in tail for tail in tails], device=input_ids.device)


@torch.inference_mode()
def answer_prompts(model, tokenizer, template: Template, settings: EvaluationSettings) -> list[str]:
    """One answer a prompt, without end key and surrounding space; the same seed for each model."""
    torch.manual_seed(settings.seed)
    prompts = [
        prompt_tokens(tokenizer, template, prompt.instruction, prompt.input) for prompt in settings.prompts
    ]
    # Prompts of like length together: they need little padding.
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers = [""] * len(prompts)
    # Adapters work in the model's own layers; their wrapper would bring a generation config of its own.
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    with _generating_by(settings, inner, tokenizer.pad_token_id):
        for start in range(0, len(order), PROMPTS_AT_ONCE):
            batch = order[start : start + PROMPTS_AT_ONCE]
            chosen = [prompts[index] for index in batch]
            texts = _answer_batch(inner, tokenizer, end_key(template), chosen)
            for index, text in zip(batch, texts, strict=True):
                answers[index] = text
    return answers


def _answer_batch(model, tokenizer, end: str, prompts: list[list[int]]) -> list[str]:
    width = max(len(prompt) for prompt in prompts)
    # On the left, so that every row's answer begins at the same place.
    input_ids = torch.tensor(
        [[tokenizer.pad_token_id] * (width - len(prompt)) + prompt for prompt in prompts]
    )
    attention_mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    output = model.generate(
        input_ids=input_ids.to(model.device),
        attention_mask=attention_mask.to(model.device),
        stopping_criteria=StoppingCriteriaList([EndKeyStop(tokenizer, end, width)]),
    )
    texts = tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
    return [text.split(end)[0].strip() for text in texts]


@contextmanager
def _generating_by(settings: EvaluationSettings, model, pad_id: int) -> Iterator[None]:
    """The recipe's settings, and of the model's own its token ids alone; benchmarks get the model as it was.

    They take the place of the model's: what one given to `generate` leaves open is filled from those.
    """
    own = model.generation_config
    model.generation_config = GenerationConfig(
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=pad_id,
        max_new_tokens=settings.max_new_tokens,
        **_sampling(settings),
    )
    try:
        yield
    finally:
        model.generation_config = own


def _sampling(settings: EvaluationSettings) -> dict:
    if settings.temperature == 0:
        return {"do_sample": False}
    return {
        "do_sample": True,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
    }
