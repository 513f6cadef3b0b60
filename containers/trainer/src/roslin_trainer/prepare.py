"""The prepare step: everything that needs no GPU, so that none is paid for it."""

import hashlib
import io
import json
import tempfile
from pathlib import Path

import numpy as np

from roslin_trainer.benchmarks import check_benchmarks
from roslin_trainer.dataset import parse_dataset
from roslin_trainer.errors import TrainerError, dataset_invalid
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.log import log
from roslin_trainer.manifest import Manifest, commit_folder, fetch_folder, read_manifest
from roslin_trainer.mirror import is_weights, mirror_base_model
from roslin_trainer.model import load_config, load_tokenizer
from roslin_trainer.plan import Plan
from roslin_trainer.prompt import prompt_tokens
from roslin_trainer.quantisation import check_quantisation
from roslin_trainer.row_statistics import padding_statistics, row_statistics
from roslin_trainer.storage import Folder, open_folder, read_file
from roslin_trainer.tokens import save_rows, split_held_out, tokenize_row

TRAIN_ROWS = "train.safetensors"
HELD_OUT_ROWS = "held-out.safetensors"
TRAIN_LENGTHS = "train-lengths.npy"
STATISTICS = "statistics.json"


def prepare(plan: Plan, scratch: Path) -> None:
    check_quantisation(plan.training)
    check_benchmarks(plan, scratch)
    mirror_manifest = mirror_base_model(plan.base_model, scratch)
    tokenizer, context_tokens = _tokenizer_and_context(plan, mirror_manifest, scratch)
    # Not cached: the prompts are no part of what the rows are keyed by.
    check_prompt_lengths(plan, tokenizer, context_tokens)
    prepared = open_folder(plan.prepared_uri)
    if read_manifest(prepared):
        log(f"rows: already at {prepared.uri}")
    else:
        with tempfile.TemporaryDirectory(dir=scratch) as temporary:
            _write_rows(plan, tokenizer, Path(temporary))
            commit_folder(Path(temporary), prepared, "prepared", 0)
    statistics = _run_statistics(plan, prepared)
    open_folder(plan.run_uri).write(STATISTICS, json.dumps(statistics, indent=1).encode())
    log(
        f"rows: {statistics['trainRows']} to train on, {statistics['heldOutRows']} held out, "
        f"{statistics['rowsWithoutResponse']} without a response left out, {statistics['tokens']} tokens, "
        f"{statistics['truncatedRows']} rows cut; packing avoids "
        f"{statistics['padding']['avoidedShare']:.0%} padding"
    )


def _run_statistics(plan: Plan, prepared: Folder) -> dict:
    """The prepared rows' statistics, and what depends on the run: other batch sizes share the same rows."""
    lengths = np.load(io.BytesIO(prepared.read(TRAIN_LENGTHS)))
    padding = padding_statistics(lengths, plan.training.batch_size_per_gpu, plan.training.seed)
    return {**json.loads(prepared.read(STATISTICS)), "padding": padding}


def _tokenizer_and_context(plan: Plan, manifest: Manifest, scratch: Path):
    mirror = open_folder(plan.base_model.mirror_uri)
    folder = fetch_folder(mirror, manifest, scratch / "tokenizer", lambda path: not is_weights(path))
    config = load_config(folder, plan.base_model.source)
    tokenizer = load_tokenizer(folder, plan.base_model.source)
    stated = getattr(config, "max_position_embeddings", None) or plan.base_model.context_tokens
    return tokenizer, min(stated, plan.base_model.context_tokens)


def check_prompt_lengths(plan: Plan, tokenizer, context_tokens: int) -> None:
    """Raises TrainerError PROMPT_TOO_LONG, naming each prompt that does not fit with its answer."""
    issues = []
    for index, prompt in enumerate(plan.evaluation.prompts):
        ids = prompt_tokens(tokenizer, plan.template, prompt.instruction, prompt.input)
        needed = len(ids) + plan.evaluation.max_new_tokens
        if needed > context_tokens:
            issues.append(f"evaluation.prompts.{index} needs {needed} tokens with its answer")
    if plan.training.max_tokens > context_tokens:
        issues.append(f"training.maxTokens is {plan.training.max_tokens}")
    if issues:
        raise TrainerError(
            ExitCode.USER_ERROR,
            "PROMPT_TOO_LONG",
            f"The model {plan.base_model.source} reads {context_tokens} tokens: {'; '.join(issues)}.",
            "Shorten the prompts named, or lower evaluation.maxNewTokens or training.maxTokens.",
        )


def _write_rows(plan: Plan, tokenizer, target: Path) -> None:
    content = read_file(plan.dataset.uri)
    if content is None:
        raise dataset_invalid(f"There is no data file at {plan.dataset.uri}.")
    found = hashlib.sha256(content).hexdigest()
    if found != plan.dataset.sha256:
        raise dataset_invalid(
            f"The data file {plan.dataset.uri} changed after the run was planned: its sha256 is {found}, "
            f"the plan's {plan.dataset.sha256}. Start a new run."
        )
    data = parse_dataset(content, plan.dataset.uri, plan.dataset.format)
    tokenized = [tokenize_row(tokenizer, plan.template, row, plan.training.max_tokens) for row in data.rows]
    # A prompt as long as maxTokens leaves nothing to learn from.
    kept = [row for row, _ in tokenized if row.supervised_tokens > 0]
    if not kept:
        raise dataset_invalid(
            f"No row of {plan.dataset.uri} has a response within training.maxTokens, "
            f"which is {plan.training.max_tokens}."
        )
    train, held_out = split_held_out(len(kept), plan.dataset.held_out_fraction, plan.training.seed)
    save_rows([kept[index] for index in train], target / TRAIN_ROWS)
    save_rows([kept[index] for index in held_out], target / HELD_OUT_ROWS)
    np.save(target / TRAIN_LENGTHS, np.array([len(kept[index].ids) for index in train], dtype=np.int32))
    statistics = {
        "format": data.format,
        "trainRows": len(train),
        "heldOutRows": len(held_out),
        "truncatedRows": sum(was_cut for _, was_cut in tokenized),
        "rowsWithoutResponse": data.rows_without_response + len(data.rows) - len(kept),
        **row_statistics(kept),
    }
    (target / STATISTICS).write_text(json.dumps(statistics, indent=1))
