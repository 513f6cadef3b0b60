"""Copies the base model to the team's storage, once, in Hugging Face's layout."""

import re
import tempfile
from pathlib import Path

import torch
from huggingface_hub import HfApi, hf_hub_download
from transformers import AutoModelForCausalLM

from roslin_trainer.compat import DTYPE
from roslin_trainer.errors import model_unreadable
from roslin_trainer.log import log
from roslin_trainer.manifest import MANIFEST, Manifest, ManifestFile, commit_folder, describe, read_manifest
from roslin_trainer.model import load_model, load_tokenizer, reading_model
from roslin_trainer.plan import BaseModel
from roslin_trainer.storage import Folder, open_folder

HUB_SCHEME = "hf://"
WEIGHTS_SUFFIXES = (".safetensors", ".bin")
# Transformers' own names for a model's weights.
WEIGHTS_NAME = re.compile(r"(pytorch_)?model(-\d+-of-\d+)?\.(safetensors|bin)")
SMALL_FILE_SUFFIXES = (".json", ".txt", ".jinja", ".model")


def mirror_base_model(base_model: BaseModel, scratch: Path) -> Manifest:
    """Does nothing where the mirror is complete. Raises TrainerError MODEL_UNREADABLE."""
    mirror = open_folder(base_model.mirror_uri)
    manifest = read_manifest(mirror)
    if manifest:
        log(f"base model: already at {mirror.uri}")
        return manifest
    log(f"base model: copying {base_model.source} to {mirror.uri}")
    if base_model.source.startswith(HUB_SCHEME):
        return _mirror_hub(base_model, mirror, scratch)
    return _mirror_folder(base_model, mirror, scratch)


def is_weights(path: str) -> bool:
    return path.endswith(WEIGHTS_SUFFIXES)


def _mirror_hub(base_model: BaseModel, mirror: Folder, scratch: Path) -> Manifest:
    repository = base_model.source.removeprefix(HUB_SCHEME)
    with reading_model(base_model.source):
        info = HfApi().model_info(repository, revision=base_model.revision)
        paths = _needed([sibling.rfilename for sibling in info.siblings or []])

    def fetch(path: str, target: Path) -> Path:
        with reading_model(base_model.source):
            return Path(hf_hub_download(repository, path, revision=base_model.revision, local_dir=target))

    return _stream(paths, fetch, mirror, scratch)


def _mirror_folder(base_model: BaseModel, mirror: Folder, scratch: Path) -> Manifest:
    source = open_folder(base_model.source)
    paths = source.paths()
    gguf_files = [path for path in paths if path.endswith(".gguf")]
    if "config.json" not in paths and len(gguf_files) == 1:
        return _mirror_gguf(base_model, source, gguf_files[0], mirror, scratch)
    if "config.json" not in paths:
        found = ", ".join(paths[:5]) or "no files"
        raise model_unreadable(
            base_model.source, f"neither config.json nor a single .gguf file there, but {found}"
        )

    def fetch(path: str, target: Path) -> Path:
        source.download(path, target / path)
        return target / path

    return _stream(_needed(paths), fetch, mirror, scratch)


def _needed(paths: list[str]) -> list[str]:
    """The files at the top that Transformers reads; safetensors where there are any: they run no code."""
    at_top = [path for path in paths if "/" not in path and path != MANIFEST]
    small = [
        path for path in at_top if path.endswith(SMALL_FILE_SUFFIXES) and not path.endswith(".bin.index.json")
    ]
    safe = [path for path in at_top if path.endswith(".safetensors")]
    index = [path for path in at_top if path.endswith(".bin.index.json")]
    weights = safe or [path for path in at_top if path.endswith(".bin")]
    # Others beside these are a second copy (Mistral's consolidated.safetensors) or what a trainer left.
    named = [path for path in weights if WEIGHTS_NAME.fullmatch(path)]
    return sorted(small + (named or weights) + ([] if safe else index))


def _stream(paths: list[str], fetch, mirror: Folder, scratch: Path) -> Manifest:
    """File by file, so that the scratch disk needs room for the largest one only."""
    files: list[ManifestFile] = []
    for path in paths:
        with tempfile.TemporaryDirectory(dir=scratch) as target:
            local = fetch(path, Path(target))
            mirror.upload(local, path)
            files.append(describe(path, local))
    manifest = Manifest("model", 0, tuple(files))
    mirror.write(MANIFEST, manifest.to_json())
    return manifest


def _mirror_gguf(base_model: BaseModel, source: Folder, path: str, mirror: Folder, scratch: Path) -> Manifest:
    with tempfile.TemporaryDirectory(dir=scratch) as temporary:
        folder, converted = Path(temporary) / "gguf", Path(temporary) / "model"
        folder.mkdir()
        source.download(path, folder / "model.gguf")
        convert_gguf(folder, "model.gguf", converted, base_model.source)
        return commit_folder(converted, mirror, "model", 0)


def convert_gguf(folder: Path, gguf_file: str, target: Path, source: str) -> None:
    """Writes a .gguf as a model in Hugging Face's layout, in bfloat16: finer than any quantised file."""
    loaded = load_model(folder, source, torch.float32, gguf_file)
    tokenizer = load_tokenizer(folder, source, gguf_file)
    with reading_model(source):
        # A model loaded from .gguf counts as quantised and refuses to be saved; a fresh one does not.
        config = loaded.config
        del config.quantization_config
        model = AutoModelForCausalLM.from_config(config, **{DTYPE: torch.bfloat16})
        model.load_state_dict(loaded.state_dict())
        model.generation_config = loaded.generation_config
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
