"""The evaluate step: the same prompts for the base model and for each kept checkpoint."""

import gc
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from roslin_trainer.batches import measured_batches, pad_rows
from roslin_trainer.benchmarks import benchmarks_json, load_tasks, run_benchmarks
from roslin_trainer.checkpoint import Checkpoint, CheckpointStore, is_weights
from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.generate import answer_prompts
from roslin_trainer.inputs import fetch_complete
from roslin_trainer.log import log
from roslin_trainer.loss import supervised_loss
from roslin_trainer.manifest import fetch_folder
from roslin_trainer.model import (
    choose_dtype,
    load_adapters,
    load_base,
    load_config,
    load_model,
    load_tokenizer,
    model_size,
    precision_of,
)
from roslin_trainer.placement import place
from roslin_trainer.plan import Plan
from roslin_trainer.precision import VALUE_BYTES
from roslin_trainer.prepare import HELD_OUT_ROWS
from roslin_trainer.storage import open_folder
from roslin_trainer.tokens import TokenRow, load_rows

EVALUATION_FILE = "evaluation.json"
# Eight rows of 1,024: without gradients, a layer's activations and the logits take 2 GB in a model of 12 B.
TOKENS_AT_ONCE = 8 * 1024


@dataclass(frozen=True)
class ModelAnswers:
    name: str
    epoch: int
    held_out_loss: float | None
    answers: list[str]
    benchmarks: dict | None
    """lm-eval's results, where the recipe asks for benchmarks."""


def evaluate(plan: Plan, scratch: Path) -> None:
    run_folder = open_folder(plan.run_uri)
    base_folder = fetch_complete(plan.base_model.mirror_uri, scratch / "base")
    rows = load_rows(fetch_complete(plan.prepared_uri, scratch / "rows") / HELD_OUT_ROWS)
    tokenizer = load_tokenizer(base_folder, plan.base_model.source)
    benchmarks, benchmark_folder = plan.evaluation.benchmarks, scratch / "benchmarks"
    tasks = load_tasks(benchmarks, benchmark_folder) if benchmarks else None
    results = []
    for name, epoch, model in _models(plan, base_folder, scratch):
        started = time.monotonic()
        result = ModelAnswers(
            name,
            epoch,
            held_out_loss(model, rows, tokenizer.pad_token_id),
            answer_prompts(model, tokenizer, plan.template, plan.evaluation),
            run_benchmarks(model, tokenizer, benchmarks, tasks, benchmark_folder) if benchmarks else None,
        )
        # Before the next one is loaded: there may be memory for one only.
        del model
        results.append(result)
        log(
            f"{name}: {len(result.answers)} answers in {time.monotonic() - started:.1f} s{_loss_text(result)}"
        )
    content = json.dumps(evaluation_json(plan, results), indent=1, ensure_ascii=False)
    run_folder.write(EVALUATION_FILE, content.encode())


def evaluation_json(plan: Plan, results: list[ModelAnswers]) -> dict:
    """The content of evaluation.json (core/run-files.ts, evaluationSchema)."""
    content = {
        "models": [
            {"name": result.name, "epoch": result.epoch, "heldOutLoss": result.held_out_loss}
            for result in results
        ],
        "prompts": [
            {
                "instruction": prompt.instruction,
                "input": prompt.input,
                "expect": prompt.expect,
                "answers": [
                    {"text": result.answers[index], "right": is_right(result.answers[index], prompt.expect)}
                    for result in results
                ],
            }
            for index, prompt in enumerate(plan.evaluation.prompts)
        ],
    }
    if plan.evaluation.benchmarks:
        content["benchmarks"] = benchmarks_json([result.benchmarks for result in results])
    return content


def is_right(answer: str, expect: str | None) -> bool | None:
    return None if expect is None else expect.casefold() in answer.casefold()


@torch.inference_mode()
def held_out_loss(model, rows: list[TokenRow], pad_id: int) -> float | None:
    """The mean loss of a supervised token; None where nothing was held out."""
    if not rows:
        return None
    total = 0.0
    with supervised_loss(model) as loss:
        for batch in measured_batches(rows, TOKENS_AT_ONCE):
            total += loss(model, pad_rows(batch, pad_id).to(model.device)).item()
    return total / sum(row.supervised_tokens for row in rows)


def _models(plan: Plan, base_folder: Path, scratch: Path) -> Iterator[tuple[str, int, torch.nn.Module]]:
    """The base model, then each kept checkpoint in the order of epochs; one in memory at a time."""
    source, dtype = plan.base_model.source, choose_dtype(plan.training.precision)
    checkpoints = _kept_checkpoints(plan)
    size = model_size(load_config(base_folder, source), plan.training)
    device_map = place(size.parameters * VALUE_BYTES[precision_of(dtype)])
    # For qlora in 4 bits, as in training: it fits where training did, and its loss compares with training's.
    base = load_base(plan.training, base_folder, source, dtype, device_map=device_map).eval()
    yield "base", 0, base
    for epoch, checkpoint in checkpoints:
        weights = fetch_folder(checkpoint.folder, checkpoint.manifest, scratch / checkpoint.name, is_weights)
        if plan.training.uses_adapters:
            adapted = load_adapters(base, weights).eval()
            yield f"epoch {epoch}", epoch, adapted
            base = adapted.unload()
        else:
            del base
            # The hooks of a model on several GPUs hold it in a circle.
            gc.collect()
            base = load_model(weights, source, dtype, device_map=device_map).eval()
            yield f"epoch {epoch}", epoch, base
        shutil.rmtree(weights)


def _kept_checkpoints(plan: Plan) -> list[tuple[int, Checkpoint]]:
    """In the order of epochs. Raises TrainerError NOT_TRAINED where one is not complete."""
    store = CheckpointStore(open_folder(plan.run_uri), plan.keep_epochs)
    found = []
    for epoch in sorted(plan.keep_epochs):
        checkpoint = store.of_epoch(epoch)
        if checkpoint is None:
            raise TrainerError(
                ExitCode.USER_ERROR,
                "NOT_TRAINED",
                f"There is no complete checkpoint of epoch {epoch} in {plan.run_uri}.",
                "Run the train step of this plan first.",
            )
        found.append((epoch, checkpoint))
    return found


def _loss_text(result: ModelAnswers) -> str:
    return "" if result.held_out_loss is None else f", held-out loss {result.held_out_loss:.3f}"
