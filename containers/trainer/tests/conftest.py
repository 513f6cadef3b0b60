"""Small random models and runs in local folders, which stand for a bucket."""

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

# Before PyTorch is imported, and for processes that tests start: models so small gain nothing from threads.
os.environ["OMP_NUM_THREADS"] = "1"
# No test asks the machine that it runs on whether Spot takes it back.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

# What DeepSpeed compiles for a CPU belongs to this environment: another one's would be compiled over it.
os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(Path(sys.prefix) / "torch_extensions"))

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from roslin_trainer import __main__ as entry
from roslin_trainer.compat import AttentionInterface
from roslin_trainer.plan import Plan, Template, read_plan
from roslin_trainer.prompt import prompt_text, response_text

ROWS = [
    {
        "instruction": f"Count from {number} to {number + number % 5 + 1}.",
        "input": "Use words." if number % 3 == 0 else "",
        "output": " ".join(f"number{value}" for value in range(number, number + number % 5 + 2)),
    }
    for number in range(22)
]
INTRODUCTION = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request."
)
# The recipe's default, as it stands in every plan.
TEMPLATE = {
    "prompt": f"{INTRODUCTION}\n\n### Instruction:\n{{instruction}}\n\n### Response:\n",
    "promptWithInput": (
        f"{INTRODUCTION}\n\n### Instruction:\n{{instruction}}\n\nInput:\n{{input}}\n\n### Response:\n"
    ),
    "end": "### End",
}
DOLLY = Template(TEMPLATE["prompt"], TEMPLATE["promptWithInput"], TEMPLATE["end"])
VOCABULARY = 400
SMALL_DISK_BYTES = 2**25
SMALL = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
CONFIGS = {
    "gptj": GPTJConfig(**SMALL, n_positions=256, n_embd=32, n_layer=2, n_head=4, rotary_dim=4),
    "neox": GPTNeoXConfig(
        **SMALL,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=256,
    ),
    "llama": LlamaConfig(
        **SMALL,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    ),
}


needs_packs = pytest.mark.skipif(
    AttentionInterface is None, reason="this Transformers takes no attention function of ours"
)


class Child:
    """A process forked from this one, which has imported everything already; its output goes to `log`."""

    def __init__(self, log: Path, work: Callable[[], int], **environment: str):
        self.log = log
        fork = multiprocessing.get_context("fork")
        self.process = fork.Process(target=self._run, args=(work, environment))
        self.process.start()

    def _run(self, work: Callable[[], int], environment: dict[str, str]) -> None:
        os.environ.update(environment)
        log = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(log, 1), os.dup2(log, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        sys.exit(work())

    def end(self, seconds: float = 180) -> int:
        """Its exit code, or minus the signal that killed it."""
        self.process.join(seconds)
        self.process.kill()
        self.process.join()
        return self.process.exitcode


def child_environment(**more: str) -> dict[str, str]:
    """For processes that a test starts: they import what it imports."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **more}


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-pair encoding of GPT-2's kind, trained on the rows."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [
        prompt_text(DOLLY, row["instruction"], row["input"]) + response_text(DOLLY, row["output"])
        for row in ROWS
    ]
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>")


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory, tokenizer) -> dict[str, Path]:
    """A folder in Hugging Face's layout for each architecture."""
    folders = {}
    for name, config in CONFIGS.items():
        torch.manual_seed(7)
        folders[name] = tmp_path_factory.mktemp(f"model-{name}")
        AutoModelForCausalLM.from_config(config).save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])
    return folders


class Run:
    """A run's folder, its plan, and its steps run in this process."""

    def __init__(self, root: Path, base_model: Path, training: dict, evaluation: dict, rows: list[dict]):
        self.root = root
        self.folder = root / "runs" / "01TEST"
        self.plan_path = self.folder / "plan.json"
        self.content = plan_json(root, self.folder, base_model, training, evaluation, rows)
        self.write()

    def write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.plan_path.write_text(json.dumps(self.content))

    @property
    def plan(self) -> Plan:
        return read_plan(str(self.plan_path))

    def step(self, name: str) -> int:
        """Runs a step as the container does. Returns its exit code."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ROSLIN_PLAN_URI", str(self.plan_path))
            patch.setenv("ROSLIN_STEP", name)
            patch.setenv("ROSLIN_SCRATCH_DIR", str(self.root / "scratch"))
            patch.setattr("sys.argv", ["roslin_trainer"])
            return int(entry.main())

    def start(self, name: str, work: Callable[[], int] = entry.main, **environment: str) -> Child:
        """Runs a step in a process of its own. Its log and its scratch disk are named after `name`."""
        variables = {
            "ROSLIN_PLAN_URI": str(self.plan_path),
            "ROSLIN_STEP": "train",
            "ROSLIN_SCRATCH_DIR": str(self.root / name),
            "PYTHONPATH": child_environment()["PYTHONPATH"],
        }

        def run() -> int:
            sys.argv = ["roslin_trainer"]
            return int(work())

        return Child(self.root / f"{name}.log", run, **{**variables, **environment})

    def json(self, path: str) -> dict:
        return json.loads((self.folder / path).read_text())

    def files(self, path: str) -> list[str]:
        folder = self.root / path
        return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def plan_json(
    root: Path, folder: Path, base_model: Path, training: dict, evaluation: dict, rows: list
) -> dict:
    data = root / "data.json"
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text(json.dumps(rows, indent=1))
    settings = {
        "method": "full",
        "lora": {"rank": 4, "alpha": 8, "dropout": 0},
        "epochs": 2,
        "learningRate": 1e-3,
        "warmupSteps": 2,
        "schedule": "linear",
        "weightDecay": 0.1,
        "batchSizePerGpu": 4,
        "gradientAccumulationSteps": 1,
        "maxTokens": 128,
        "precision": "auto",
        "sharding": "auto",
        "gradientCheckpointing": "auto",
        "seed": 42,
        **training,
    }
    return {
        "planVersion": 1,
        "runId": "01TEST",
        "recipe": {
            "name": "test",
            "dataset": {"heldOutFraction": 0.1, "format": "auto"},
            "template": TEMPLATE,
            "training": {key: value for key, value in settings.items() if key != "keepEpochs"},
            "resources": {"gpus": 0},
            "limits": {"maxHours": 1},
            "evaluation": {
                "prompts": [
                    {"instruction": "Count from 1 to 3.", "expect": "NUMBER2"},
                    {"instruction": "Why?"},
                ],
                "maxNewTokens": 8,
                "temperature": 0,
                "topP": 0.92,
                "topK": 0,
                "seed": 42,
                **evaluation,
            },
        },
        "capacity": [{"instanceType": "local", "purchase": "on-demand", "priceUsdPerHour": 0}],
        "keepEpochs": settings.get("keepEpochs", [settings["epochs"]]),
        "baseModel": {
            "source": str(base_model),
            "contextTokens": 256,
            "mirrorUri": f"{root}/base-models/key/",
        },
        "dataset": {"uri": str(data), "sha256": hashlib.sha256(data.read_bytes()).hexdigest()},
        "preparedUri": f"{root}/prepared/key/",
        "runUri": f"{folder}/",
        "modelUri": f"{root}/models/test/01TEST/",
    }


@pytest.fixture
def make_run(tmp_path, model_folders):
    """`make_run(architecture, name, training={…}, …)`: a run in a bucket of its own."""

    def make(architecture="llama", name="bucket", training=None, evaluation=None, rows=ROWS) -> Run:
        base_model = model_folders.get(architecture, architecture)
        return Run(tmp_path / name, base_model, training or {}, evaluation or {}, rows)

    return make


@pytest.fixture
def small_disk(tmp_path) -> Path:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "none", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture(autouse=True)
def restored_signals():
    """Steps install their own handlers; Ctrl-C must still stop the tests."""
    import signal

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
