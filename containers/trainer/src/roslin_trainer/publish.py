"""Writes the finished model, ready to serve: adapters merged, tokenizer beside the weights."""

import shutil
from pathlib import Path

import torch

from roslin_trainer.checkpoint import CheckpointStore, is_weights
from roslin_trainer.inputs import Inputs
from roslin_trainer.log import log
from roslin_trainer.manifest import commit_folder, fetch_folder, read_manifest
from roslin_trainer.mirror import is_weights as is_model_weights
from roslin_trainer.model import load_adapters, load_config, load_model, stored_dtype
from roslin_trainer.plan import Plan
from roslin_trainer.storage import open_folder


def publish_model(plan: Plan, store: CheckpointStore, inputs: Inputs) -> None:
    """Does nothing where the model is complete already."""
    target = open_folder(plan.model_uri)
    epochs = plan.training.epochs
    if read_manifest(target):
        log(f"model: already at {target.uri}")
        return
    checkpoint = store.of_epoch(epochs)
    if checkpoint is None:
        raise RuntimeError(f"the checkpoint of epoch {epochs} is gone from {plan.run_uri}")
    # This attempt's own, just uploaded; where an earlier one wrote it, it is in storage alone.
    weights = inputs.checkpoints / checkpoint.name
    if not weights.exists():
        weights = inputs.scratch / "last-epoch"
        fetch_folder(checkpoint.folder, checkpoint.manifest, weights, is_weights)
    finished = inputs.scratch / "model"
    write_model(plan, inputs.base, weights, finished)
    commit_folder(finished, target, "model", epochs)
    log(f"model: complete at {target.uri}")


def write_model(plan: Plan, base_folder: Path, weights: Path, target: Path) -> None:
    """In the base model's precision, which is what servers expect."""
    source = plan.base_model.source
    dtype = stored_dtype(load_config(base_folder, source))
    if plan.training.uses_adapters:
        # Merged in float32: in 16 bits, adding a small change to a large weight would lose most of it.
        base = load_model(base_folder, source, torch.float32)
        model = load_adapters(base, weights).merge_and_unload().to(dtype)
    else:
        model = load_model(weights, source, dtype)
    model.save_pretrained(target)
    _copy_tokenizer(base_folder, target)


def _copy_tokenizer(base_folder: Path, target: Path) -> None:
    """The base model's other files, unchanged: saved anew, a tokenizer may lose what its class ignores."""
    for path in base_folder.iterdir():
        name = path.name
        is_index = name.endswith(".index.json")
        if path.is_file() and not is_model_weights(name) and not is_index and not (target / name).exists():
            shutil.copyfile(path, target / name)
