"""A row as text, by the recipe's template. core/template.ts writes the same prompts."""

import re

from roslin_trainer.plan import Template

FIELD = re.compile(r"\{(?:instruction|input)\}")
# How the keys of Alpaca's and Dolly's templates begin.
KEY = "### "


def prompt_text(template: Template, instruction: str, input: str | None = None) -> str:
    """Everything before the response."""
    return _fill(template.prompt_with_input if input else template.prompt, instruction, input)


def next_prompt_text(template: Template, instruction: str) -> str:
    """A later turn's prompt: without the introduction before the first key, which has been read already."""
    introduction, key, rest = template.prompt.partition(KEY)
    return _fill(template.prompt if "{instruction}" in introduction else key + rest, instruction, None)


def _fill(text: str, instruction: str, input: str | None) -> str:
    fields = {"{instruction}": instruction, "{input}": input or ""}
    # In one pass: an instruction may itself contain "{input}".
    return FIELD.sub(lambda match: fields[match.group()], text)


def end_key(template: Template) -> str:
    """Ends each response; generation stops at it."""
    return template.end


def response_text(template: Template, output: str) -> str:
    return f"{output}\n\n{end_key(template)}"


def prompt_tokens(tokenizer, template: Template, instruction: str, input: str | None = None) -> list[int]:
    """Token ids of the prompt, with the leading token that the model expects, if it has one."""
    ids = tokenizer(prompt_text(template, instruction, input)).input_ids
    # A tokenizer that ends each text with its end token would make the model stop before it answers.
    return ids[:-1] if ids[-1] == tokenizer.eos_token_id else ids


def next_prompt_tokens(tokenizer, template: Template, instruction: str) -> list[int]:
    """Token ids of a later turn's prompt: it follows an end token, and is no beginning of a text."""
    return tokenizer(next_prompt_text(template, instruction), add_special_tokens=False).input_ids


def response_tokens(tokenizer, template: Template, output: str) -> list[int]:
    """Token ids of the response, the end key and the end token."""
    ids = tokenizer(response_text(template, output), add_special_tokens=False).input_ids
    return ids + [tokenizer.eos_token_id]
