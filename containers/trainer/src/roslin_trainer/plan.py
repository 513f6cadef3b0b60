"""A typed view of plan.json: only what a container needs (core/plan.ts has the whole)."""

import json
import os
from dataclasses import dataclass

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.storage import read_file

PLAN_VERSION = 1


@dataclass(frozen=True)
class BaseModel:
    source: str
    revision: str | None
    context_tokens: int
    parameters: int | None
    mirror_uri: str


@dataclass(frozen=True)
class Dataset:
    uri: str
    sha256: str
    format: str
    held_out_fraction: float


@dataclass(frozen=True)
class Template:
    """Texts around a row; `{instruction}` and `{input}` stand for its fields."""

    prompt: str
    prompt_with_input: str
    end: str


@dataclass(frozen=True)
class Lora:
    rank: int
    alpha: float
    dropout: float


@dataclass(frozen=True)
class Training:
    method: str
    lora: Lora
    epochs: int
    learning_rate: float
    warmup_steps: int
    schedule: str
    weight_decay: float
    batch_size_per_gpu: int
    gradient_accumulation_steps: int
    max_tokens: int
    precision: str
    sharding: str
    gradient_checkpointing: str
    seed: int

    @property
    def uses_adapters(self) -> bool:
        """Whether low-rank adapters are trained, and all else is frozen."""
        return self.method in ("lora", "qlora")


@dataclass(frozen=True)
class Limits:
    """What training may take: hours an attempt, dollars in all.

    The price is of one of the `nodes` that train together; 0 on one's own machine.
    """

    max_hours: float
    max_usd: float | None
    price_usd_per_hour: float
    nodes: int = 1


@dataclass(frozen=True)
class Capacity:
    """The machine that the job is sent to, and why the run should fit on it."""

    purchase: str
    reason: str | None


@dataclass(frozen=True)
class Benchmarks:
    tasks: tuple[str, ...]
    folder: str | None
    limit: int | None


@dataclass(frozen=True)
class Prompt:
    instruction: str
    input: str | None
    expect: str | None


@dataclass(frozen=True)
class EvaluationSettings:
    prompts: tuple[Prompt, ...]
    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int
    seed: int
    benchmarks: Benchmarks | None


@dataclass(frozen=True)
class Plan:
    run_id: str
    base_model: BaseModel
    dataset: Dataset
    template: Template
    training: Training
    limits: Limits
    capacity: Capacity
    gpus: int
    evaluation: EvaluationSettings
    keep_epochs: frozenset[int]
    prepared_uri: str
    run_uri: str
    model_uri: str


def read_plan(uri: str) -> Plan:
    """The plan at an s3:// URI or a local path. Raises TrainerError PLAN_UNREADABLE."""
    content = read_file(uri)
    if content is None:
        raise _unreadable(f"is not at {uri}")
    try:
        return parse_plan(json.loads(content))
    except ValueError as error:
        raise _unreadable(f"at {uri} is not JSON: {error}") from error


def parse_plan(content: dict) -> Plan:
    """Raises TrainerError PLAN_UNREADABLE for a plan of another version or shape."""
    version = content.get("planVersion")
    if version != PLAN_VERSION:
        raise _unreadable(f"has version {version!r}; this trainer reads version {PLAN_VERSION}")
    try:
        return _view(content)
    except (KeyError, TypeError, IndexError) as error:
        raise _unreadable(f"lacks a field or has one of another shape: {error}") from error


def _unreadable(what: str) -> TrainerError:
    return TrainerError(
        ExitCode.USER_ERROR,
        "PLAN_UNREADABLE",
        f"The plan {what}.",
        "Use the trainer image of the release that made the plan: deploy again, then start the run again.",
    )


def _view(content: dict) -> Plan:
    recipe, base_model, dataset = content["recipe"], content["baseModel"], content["dataset"]
    training, evaluation = recipe["training"], recipe["evaluation"]
    option = content["capacity"][int(os.environ.get("ROSLIN_CAPACITY_OPTION", "0"))]
    template, limits, benchmarks = recipe["template"], recipe["limits"], evaluation.get("benchmarks")
    return Plan(
        run_id=content["runId"],
        base_model=BaseModel(
            source=base_model["source"],
            revision=base_model.get("revision"),
            context_tokens=base_model["contextTokens"],
            parameters=base_model.get("parameters"),
            mirror_uri=base_model["mirrorUri"],
        ),
        dataset=Dataset(
            uri=dataset["uri"],
            sha256=dataset["sha256"],
            format=recipe["dataset"]["format"],
            held_out_fraction=recipe["dataset"]["heldOutFraction"],
        ),
        template=Template(template["prompt"], template["promptWithInput"], template["end"]),
        training=Training(
            method=training["method"],
            lora=Lora(**training["lora"]),
            epochs=training["epochs"],
            learning_rate=training["learningRate"],
            warmup_steps=training["warmupSteps"],
            schedule=training["schedule"],
            weight_decay=training["weightDecay"],
            batch_size_per_gpu=training["batchSizePerGpu"],
            gradient_accumulation_steps=training["gradientAccumulationSteps"],
            max_tokens=training["maxTokens"],
            precision=training["precision"],
            sharding=training["sharding"],
            gradient_checkpointing=training["gradientCheckpointing"],
            seed=training["seed"],
        ),
        limits=Limits(
            max_hours=limits["maxHours"],
            # Plans made before there were budgets have the recipe's limit alone.
            max_usd=content.get("trainingBudgetUsd", limits.get("maxUsd")),
            price_usd_per_hour=option["priceUsdPerHour"],
            nodes=recipe["resources"].get("nodes", 1),
        ),
        capacity=Capacity(option["purchase"], option.get("reason")),
        gpus=recipe["resources"]["gpus"],
        evaluation=EvaluationSettings(
            prompts=tuple(
                Prompt(prompt["instruction"], prompt.get("input"), prompt.get("expect"))
                for prompt in evaluation["prompts"]
            ),
            max_new_tokens=evaluation["maxNewTokens"],
            temperature=evaluation["temperature"],
            top_p=evaluation["topP"],
            top_k=evaluation["topK"],
            seed=evaluation["seed"],
            benchmarks=Benchmarks(
                tuple(benchmarks["tasks"]), benchmarks.get("folder"), benchmarks.get("limit")
            )
            if benchmarks
            else None,
        ),
        keep_epochs=frozenset(content["keepEpochs"]),
        prepared_uri=content["preparedUri"],
        run_uri=content["runUri"],
        model_uri=content["modelUri"],
    )
