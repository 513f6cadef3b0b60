"""Answers prompts with a model."""

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

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
    for start in range(0, len(order), PROMPTS_AT_ONCE):
        batch = order[start : start + PROMPTS_AT_ONCE]
        chosen = [prompts[index] for index in batch]
        texts = _answer_batch(model, tokenizer, end_key(template), settings, chosen)
        for index, text in zip(batch, texts, strict=True):
            answers[index] = text
    return answers


def _answer_batch(
    model, tokenizer, end: str, settings: EvaluationSettings, prompts: list[list[int]]
) -> list[str]:
    width = max(len(prompt) for prompt in prompts)
    # On the left, so that every row's answer begins at the same place.
    input_ids = torch.tensor(
        [[tokenizer.pad_token_id] * (width - len(prompt)) + prompt for prompt in prompts]
    )
    attention_mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    output = model.generate(
        input_ids=input_ids.to(model.device),
        attention_mask=attention_mask.to(model.device),
        max_new_tokens=settings.max_new_tokens,
        pad_token_id=tokenizer.pad_token_id,
        stopping_criteria=StoppingCriteriaList([EndKeyStop(tokenizer, end, width)]),
        **_sampling(settings),
    )
    texts = tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
    return [text.split(end)[0].strip() for text in texts]


def _sampling(settings: EvaluationSettings) -> dict:
    if settings.temperature == 0:
        # Set to nothing, or a model's own generation config would shape the greedy answer.
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    return {
        "do_sample": True,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
    }
