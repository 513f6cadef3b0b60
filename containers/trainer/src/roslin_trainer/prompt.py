"""Dolly's prompt: Alpaca's template with an end key, as the published Dolly v1 recipe has it."""

INTRO = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request."
)
INSTRUCTION_KEY = "### Instruction:"
INPUT_KEY = "Input:"
RESPONSE_KEY = "### Response:"
END_KEY = "### End"


def prompt_text(instruction: str, input_text: str | None = None) -> str:
    """Everything before the response, up to and with the line break after the response key."""
    parts = [INTRO, f"{INSTRUCTION_KEY}\n{instruction}"]
    if input_text:
        parts.append(f"{INPUT_KEY}\n{input_text}")
    parts.append(f"{RESPONSE_KEY}\n")
    return "\n\n".join(parts)


def response_text(output: str) -> str:
    return f"{output}\n\n{END_KEY}"


def prompt_tokens(tokenizer, instruction: str, input_text: str | None = None) -> list[int]:
    """Token ids of the prompt, with the leading token that the model expects, if it has one."""
    ids = tokenizer(prompt_text(instruction, input_text)).input_ids
    # A tokenizer that ends each text with its end token would make the model stop before it answers.
    return ids[:-1] if ids[-1] == tokenizer.eos_token_id else ids


def response_tokens(tokenizer, output: str) -> list[int]:
    """Token ids of the response, the end key and the end token."""
    return tokenizer(response_text(output), add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
