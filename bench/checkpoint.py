"""Trains a small model with real uploads: what do checkpoints and metrics cost? Prints figures as JSON.

python checkpoint.py <bucket>
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from roslin_trainer import manifest, storage
from roslin_trainer import metrics as metrics_module
from roslin_trainer.budget import Budget
from roslin_trainer.checkpoint import CheckpointStore, epoch_name
from roslin_trainer.checkpoint_interval import CheckpointInterval
from roslin_trainer.checkpoint_parts import Parts
from roslin_trainer.engine import TorchEngine
from roslin_trainer.metrics import MAX_POINTS, Metrics, StepNumbers
from roslin_trainer.nodes import Place
from roslin_trainer.plan import Limits, Lora, Training
from roslin_trainer.raw_series import RawSeries
from roslin_trainer.saver import CheckpointSaver
from roslin_trainer.signals import StopSignal
from roslin_trainer.storage import open_folder, s3_client
from roslin_trainer.tokens import TokenRow
from roslin_trainer.train import Rows, Trainer
from roslin_trainer.watchdog import Watchdog

EPOCHS = 4
# For steps beside uploads without a pause, in turns.
ROUNDS, STEPS = 3, 5
# As demanding as GPT-J-6B: 84 GB of weights and optimizer in an epoch of 3 h 15 min are 7 MB a second.
ROWS, VOCABULARY = 320, 8_000
MODEL = GPTNeoXConfig(
    vocab_size=VOCABULARY,
    hidden_size=256,
    num_hidden_layers=6,
    num_attention_heads=8,
    intermediate_size=1024,
    max_position_embeddings=512,
)
TRAINING = Training(
    method="full",
    lora=Lora(8, 16, 0),
    epochs=EPOCHS,
    learning_rate=1e-4,
    warmup_steps=10,
    schedule="linear",
    weight_decay=0.0,
    batch_size_per_gpu=8,
    gradient_accumulation_steps=1,
    max_tokens=512,
    precision="fp32",
    sharding="auto",
    gradient_checkpointing="auto",
    seed=1,
)


# The lowest priority, and nothing but copies: what an upload costs training in memory and caches alone.
COPY_MEMORY = """
import os
import numpy
os.nice(19)
source = numpy.ones(2**24, numpy.uint8)
target = source.copy()
print(flush=True)
while True:
    target[:] = source
"""


class BenchPlan:
    """What the training loop reads of a plan."""

    training = TRAINING


class TimedStore(CheckpointStore):
    """Notes when an upload begins and ends."""

    def __init__(self, folder):
        super().__init__(folder, frozenset({EPOCHS}))
        self.uploads: list[tuple[float, float]] = []

    def commit(self, *arguments) -> None:
        started = time.monotonic()
        super().commit(*arguments)
        self.uploads.append((started, time.monotonic()))


class TimedMetrics(Metrics):
    """Notes when each step ends."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.ends: list[float] = []

    def add_step(self, numbers: StepNumbers) -> None:
        super().add_step(numbers)
        self.ends.append(time.monotonic())


def rows() -> list[TokenRow]:
    """Lengths as of Alpaca's rows: median 110, mean 131."""
    random = np.random.RandomState(1)
    lengths = np.clip(np.exp(random.normal(np.log(110), 0.6, ROWS)), 16, 511).astype(int)
    return [
        TokenRow(random.randint(0, VOCABULARY, length).astype(np.int32), np.arange(length) >= length // 2)
        for length in lengths
    ]


def main() -> None:
    bucket = sys.argv[1]
    s3_client().create_bucket(Bucket=bucket)
    folder = open_folder(f"s3://{bucket}/run/")
    torch.manual_seed(1)
    engine = TorchEngine(GPTNeoXForCausalLM(MODEL), TRAINING)
    with tempfile.TemporaryDirectory() as root:
        scratch = Path(root)
        budget = Budget(Limits(24, None, 0), time.time())
        steps_per_epoch = ROWS // TRAINING.batch_size_per_gpu
        raw = RawSeries(folder, scratch)
        metrics = TimedMetrics(folder, "cpu", 1, steps_per_epoch, EPOCHS, budget, raw)
        store = TimedStore(folder)
        interval = CheckpointInterval("on-demand")
        saver = CheckpointSaver(engine, store, Place(), Parts(1, 0), interval, scratch, scratch / "uploads")
        watchdog = Watchdog(print)
        trainer = Trainer(BenchPlan(), engine, Rows(rows(), []), saver, metrics, budget, watchdog, print)
        trainer.run(StopSignal())
        figures = {
            **cost_of_checkpoints(metrics, store),
            **steps_beside_uploads(engine, scratch / epoch_name(EPOCHS), folder),
            "metricsCoreFraction": cost_of_metrics(metrics),
        }
    print(json.dumps(figures))


def cost_of_checkpoints(metrics: TimedMetrics, store: TimedStore) -> dict:
    per_epoch = len(metrics.ends) // EPOCHS
    return {
        "epochSeconds": (metrics.ends[-1] - metrics.ends[per_epoch - 1]) / (EPOCHS - 1),
        "lastCheckpointSeconds": store.uploads[-1][1] - metrics.ends[-1],
        "uploadSeconds": statistics.median(ended - started for started, ended in store.uploads),
    }


def steps_beside_uploads(engine: TorchEngine, source: Path, folder: storage.Folder) -> dict:
    """How many times as long steps take beside uploads, beside such as do not give way to training, and
    beside a process that copies memory and gives way."""
    seconds = {"alone": 0.0, "givingWay": 0.0, "atEqualPriority": 0.0, "copyingMemory": 0.0}
    for _ in range(ROUNDS):
        seconds["alone"] += steps_seconds(engine)
        with uploading(source, folder):
            seconds["givingWay"] += steps_seconds(engine)
        with patch.object(storage, "give_way"), patch.object(manifest, "give_way"):
            storage._uploads.cache_clear()
            with uploading(source, folder):
                seconds["atEqualPriority"] += steps_seconds(engine)
        storage._uploads.cache_clear()
        with copying_memory():
            seconds["copyingMemory"] += steps_seconds(engine)
    alone = seconds.pop("alone")
    return {"stepsBeside": {name: value / alone for name, value in seconds.items()}}


@contextmanager
def uploading(source: Path, folder: storage.Folder) -> Iterator[None]:
    """One upload after the other, until the block ends."""
    ended = threading.Event()

    def upload() -> None:
        while not ended.is_set():
            manifest.commit_folder(source, folder.child("again"), "checkpoint", EPOCHS)

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def copying_memory() -> Iterator[None]:
    """Until the block ends."""
    with subprocess.Popen([sys.executable, "-c", COPY_MEMORY], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline(), "the process that copies memory did not start"
            yield
        finally:
            process.kill()


def steps_seconds(engine: TorchEngine) -> float:
    """Of the same STEPS steps each time."""
    all_rows, size = rows(), TRAINING.batch_size_per_gpu
    packs = [all_rows[start : start + size] for start in range(0, STEPS * size, size)]
    started = time.monotonic()
    for pack in packs:
        engine.accumulate(pack, sum(row.supervised_tokens for row in pack), True)
        engine.update(TRAINING.learning_rate)
    return time.monotonic() - started


def cost_of_metrics(metrics: Metrics) -> float:
    """Of one core: writing a full metrics.json every FLUSH_SECONDS, and ten steps a second."""
    step = StepNumbers(2.34567, 1e-5, 0.98765, 8, 1048, 524, 0, 0.1)
    steps = 0
    while steps < 20 * MAX_POINTS:
        metrics.add_step(step)
        steps += 1
        if len(metrics._series.columns["step"]) == MAX_POINTS - 1:
            break
    writes, adds = 20, 1000
    before = time.process_time()
    for _ in range(writes):
        metrics._write()
    write_seconds = (time.process_time() - before) / writes
    before = time.process_time()
    for _ in range(adds):
        metrics.add_step(step)
    add_seconds = (time.process_time() - before) / adds
    return write_seconds / metrics_module.FLUSH_SECONDS + 10 * add_seconds


main()
