"""Loads any causal language model in Hugging Face's layout, and adds adapters."""

import os
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
)
from transformers.activations import NewGELUActivation
from transformers.utils import logging as transformers_logging

from roslin_trainer import host
from roslin_trainer.activations import layer_activations
from roslin_trainer.attention import why_padded
from roslin_trainer.compat import DTYPE, import_deepspeed, misread_version
from roslin_trainer.errors import as_trainer_error, model_unreadable
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.plan import Training
from roslin_trainer.precision import Processor, resolve_precision
from roslin_trainer.quantisation import check_quantisation
from roslin_trainer.sharding import ModelSize

if TYPE_CHECKING:
    # Where adapters are trained, and not before: it takes seconds to import.
    from peft import PeftModel


DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def quiet_libraries() -> None:
    """A log of a step is for people: no progress bars, no advice for developers."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    if not torch.cuda.is_available():
        # DeepSpeed, which Transformers imports where it finds it, otherwise warns that there is no GPU.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


quiet_libraries()
import_deepspeed()


@contextmanager
def reading_model(source: str):
    """Turns whatever a library raises on broken model files into TrainerError MODEL_UNREADABLE."""
    try:
        yield
    except Exception as error:
        named = as_trainer_error(error)
        raise named if named.exit_code != ExitCode.UNEXPECTED else model_unreadable(source, error) from error


def load_tokenizer(folder: Path, source: str, gguf_file: str | None = None):
    with reading_model(source):
        tokenizer = AutoTokenizer.from_pretrained(folder, **_gguf(gguf_file))
    if tokenizer.eos_token_id is None:
        raise model_unreadable(source, "its tokenizer has no end-of-text token")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(folder: Path, source: str):
    with reading_model(source):
        config = AutoConfig.from_pretrained(folder)
    if version := misread_version(config):
        raise model_unreadable(
            source,
            f"Transformers {version} wrote it, which this trainer's older one would misread. Use the image's "
            "main variant, or a copy of the model that Transformers 4 wrote.",
        )
    return config


def load_model(
    folder: Path,
    source: str,
    dtype: torch.dtype,
    gguf_file: str | None = None,
    attention: str | None = None,
    device_map: dict | str | None = None,
) -> PreTrainedModel:
    """`attention` is an implementation's name; None means SDPA where Transformers has it, else eager."""
    with reading_model(source):
        model = AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation=attention, device_map=device_map, **{DTYPE: dtype}, **_gguf(gguf_file)
        )
    return with_fused_gelu(model)


def with_fused_gelu(model: PreTrainedModel) -> PreTrainedModel:
    """GPT-J's GELU in one kernel of PyTorch's: Transformers takes eight, each with a tensor of its own."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, torch.nn.GELU(approximate="tanh"))
    return model


def load_quantised(
    folder: Path, source: str, compute_dtype: torch.dtype, attention: str | None = None
) -> PreTrainedModel:
    """Linear layers but the output head in 4 bits, as QLoRA has them, the rest in `compute_dtype`.

    NF4 with quantised scales: Dettmers et al. 2023, QLoRA, section 3. The model is whole on this process's
    device, for ZeRO-3 cannot divide such weights.
    """
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else "cpu"
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype,
    )
    with reading_model(source):
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            attn_implementation=attention,
            quantization_config=config,
            device_map={"": device},
            **{DTYPE: compute_dtype},
        )
    for module in model.modules():
        # On CPUs with AVX512-BF16 bitsandbytes repacks weights for good when they are first evaluated: no
        # gradient passes them from then on, and widths that are no multiple of 64 fail.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return with_fused_gelu(model)


def load_base(
    training: Training,
    folder: Path,
    source: str,
    dtype: torch.dtype,
    attention: str | None = None,
    device_map: dict | str | None = None,
) -> PreTrainedModel:
    """The model before training, as training reads it: for qlora in 4 bits, and whole on one device."""
    check_quantisation(training)
    if training.method == "qlora":
        return load_quantised(folder, source, dtype, attention)
    return load_model(folder, source, dtype, attention=attention, device_map=device_map)


def _gguf(file: str | None) -> dict:
    return {"gguf_file": file} if file else {}


def stored_dtype(config) -> torch.dtype:
    """The precision that the base model's files are in, and the finished model's will be."""
    dtype = getattr(config, DTYPE)
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def choose_dtype(precision: str, written: str | None = None) -> torch.dtype:
    """The recipe's precision on this machine; `written` is a checkpoint's, which `auto` keeps to.

    Raises TrainerError PRECISION_UNSUPPORTED.
    """
    if torch.cuda.is_available():
        processor = Processor.gpu(torch.cuda.get_device_name(), torch.cuda.get_device_capability())
    else:
        processor = Processor.cpu(host.has_bf16())
    resolved, _ = resolve_precision(precision, processor, written)
    return DTYPES[resolved]


def precision_of(dtype: torch.dtype) -> str:
    """In the recipe's words."""
    return next(name for name, each in DTYPES.items() if each == dtype)


def with_adapters(model: PreTrainedModel, training: Training, source: str) -> "PeftModel":
    """Freezes the model and adds low-rank adapters to every linear layer but the output head."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=training.lora.rank,
        lora_alpha=training.lora.alpha,
        lora_dropout=training.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    # Goes into the adapters' files, where the folder that the model was loaded from would mean nothing.
    config.base_model_name_or_path = source
    return adapted


def model_size(config, training: Training) -> ModelSize:
    """Counted without memory, before anything is loaded."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        layers, width = config.num_hidden_layers, config.hidden_size
        if training.method != "full":
            model = with_adapters(model, training, "")
    return ModelSize(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        trained=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        layers=layers,
        width=width,
        vocabulary=config.vocab_size,
        layer_activations=layer_activations(
            model, config, training.lora.dropout, _eager_tokens(model, training.max_tokens)
        ),
    )


def _eager_tokens(model, max_tokens: int) -> int:
    """Rows that are padded are read by Transformers' own attention, which for some models is eager alone."""
    is_eager = why_padded(model.config, max_tokens) and model.config._attn_implementation == "eager"
    return max_tokens if is_eager else 0


def enable_gradient_checkpointing(model) -> None:
    """Each layer keeps its input alone and is computed again on the way back."""
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def load_adapters(model: PreTrainedModel, folder: Path, is_trainable: bool = False) -> "PeftModel":
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder, is_trainable=is_trainable)


def save_weights(model, folder: Path, weights: dict | None = None) -> None:
    """The adapters of an adapted model, all weights of another. `weights` replaces the model's own."""
    if hasattr(model, "peft_config"):
        # "auto" would ask the Hub whether the vocabulary has grown; Roslin never resizes it.
        model.save_pretrained(folder, state_dict=weights, save_embedding_layers=False)
        (folder / "README.md").unlink()
    else:
        model.save_pretrained(folder, state_dict=weights)
