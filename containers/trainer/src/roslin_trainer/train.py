"""The training loop of one rank."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from roslin_trainer.batches import BatchPlan
from roslin_trainer.checkpoint import (
    STATE_FOLDER,
    CheckpointStore,
    Position,
    epoch_name,
    read_position,
    step_name,
    write_position,
)
from roslin_trainer.engine import Engine
from roslin_trainer.errors import TrainerError, interrupted
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.log import log
from roslin_trainer.metrics import Metrics
from roslin_trainer.plan import Plan
from roslin_trainer.schedule import learning_rate
from roslin_trainer.signals import StopSignal
from roslin_trainer.tokens import TokenRow
from roslin_trainer.uploader import Uploader

LOG_SECONDS = 5.0
HELD_OUT_ROWS_AT_ONCE = 8


@dataclass(frozen=True)
class Rows:
    train: list[TokenRow]
    held_out: list[TokenRow]


class Trainer:
    """Trains from where the engine's checkpoint left off to the last epoch."""

    def __init__(
        self, plan: Plan, engine: Engine, rows: Rows, store: CheckpointStore, metrics: Metrics, scratch: Path
    ):
        self._plan = plan
        self._engine = engine
        self._rows = rows
        self._store = store
        self._metrics = metrics
        self._scratch = scratch
        self._batches = batch_plan(plan, rows.train, engine)
        self._total_steps = self._batches.steps_per_epoch * plan.training.epochs
        self._step = 0
        self._logged_at = 0.0

    def resume(self, checkpoint: Path) -> None:
        position = read_position(checkpoint)
        self._engine.load_state(checkpoint / STATE_FOLDER)
        self._metrics.restore(position.metrics)
        self._step = position.step
        self._log(f"resuming at step {self._step}/{self._total_steps}")

    def run(self, stop: StopSignal) -> None:
        """Raises TrainerError INTERRUPTED (after a checkpoint) when told to stop, or TRAINING_DIVERGED."""
        uploader = Uploader()
        is_reporting = self._engine.rank == 0
        if is_reporting:
            self._metrics.start()
        try:
            with stop.deferred():
                self._train(stop, uploader)
        finally:
            # Also after an error: what was saved before it must get to storage.
            uploader.close()
            if is_reporting:
                self._metrics.close()

    def _train(self, stop: StopSignal, uploader: Uploader) -> None:
        self._measure_held_out(0)
        per_epoch = self._batches.steps_per_epoch
        for epoch in range(self._step // per_epoch, self._plan.training.epochs):
            for index, step_rows in enumerate(self._batches.steps(epoch)):
                if index < self._step - epoch * per_epoch:
                    continue
                must_stop = self._do_step(step_rows, stop)
                if must_stop and self._step % per_epoch != 0:
                    self._save(uploader, step_name(self._step))
                    raise interrupted()
            self._measure_held_out(epoch + 1)
            self._save(uploader, epoch_name(epoch + 1))
            if must_stop:
                raise interrupted()

    def _do_step(self, step_rows: list[int], stop: StopSignal) -> bool:
        """One optimizer step. Returns whether any rank was told to stop."""
        started = time.monotonic()
        rows = [self._rows.train[index] for index in step_rows]
        step_tokens = sum(row.supervised_tokens for row in rows)
        micro_batches = self._batches.micro_batches(step_rows, self._engine.rank)
        loss_sum = 0.0
        for index, indexes in enumerate(micro_batches):
            micro_rows = [self._rows.train[row] for row in indexes]
            # Stays on the device: reading it here would keep the GPU waiting between packs.
            loss_sum += self._engine.accumulate(micro_rows, step_tokens, index == len(micro_batches) - 1)
        loss_sum, stops = self._engine.all_sum([float(loss_sum), float(stop.requested)])
        loss = loss_sum / step_tokens
        if not math.isfinite(loss):
            raise self._diverged(loss)
        rate = learning_rate(self._plan.training, self._step, self._total_steps)
        norm = self._engine.update(rate)
        self._step += 1
        tokens = sum(len(row.ids) for row in rows)
        self._metrics.add_step(loss, rate, norm, tokens, time.monotonic() - started)
        if time.monotonic() - self._logged_at > LOG_SECONDS or self._step == self._total_steps:
            self._log(self._metrics.line())
            self._logged_at = time.monotonic()
        return stops > 0

    def _measure_held_out(self, epoch: int) -> None:
        if not self._rows.held_out or self._metrics.has_held_out(epoch):
            return
        loss = held_out_loss(self._engine, self._rows.held_out)
        if not math.isfinite(loss):
            raise self._diverged(loss)
        self._metrics.add_held_out(epoch, loss)
        self._log(f"held-out loss {loss:.3f} {'before training' if epoch == 0 else f'after epoch {epoch}'}")

    def _save(self, uploader: Uploader, name: str) -> None:
        """Writes a checkpoint to the scratch disk; the upload goes on beside the next steps."""
        local = self._scratch / "checkpoints" / name
        (local / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
        self._engine.save_weights(local)
        self._engine.save_state(local / STATE_FOLDER)
        if self._engine.rank == 0:
            write_position(local, Position(self._step, self._metrics.state()))
            epoch = round(self._step / self._batches.steps_per_epoch, 6)
            uploader.submit(lambda: self._store.commit(local, name, epoch))

    def _diverged(self, loss: float) -> TrainerError:
        return TrainerError(
            ExitCode.DIVERGED,
            "TRAINING_DIVERGED",
            f"The loss became {loss} at step {self._step + 1} of {self._total_steps}.",
            "Lower training.learningRate, add training.warmupSteps, or set training.precision to fp32.",
        )

    def _log(self, line: str) -> None:
        if self._engine.rank == 0:
            log(line)


def batch_plan(plan: Plan, rows: list[TokenRow], engine: Engine) -> BatchPlan:
    training = plan.training
    return BatchPlan(
        row_lengths=[len(row.ids) for row in rows],
        rows_per_step=training.batch_size_per_gpu * training.gradient_accumulation_steps * engine.world_size,
        world_size=engine.world_size,
        pack_tokens=engine.pack_tokens,
        is_padded=engine.is_padded,
        seed=training.seed,
    )


def held_out_loss(engine: Engine, rows: list[TokenRow]) -> float:
    """The mean loss of a supervised token. Every rank measures a share, in as many batches as the others."""
    total = 0.0
    rows_at_once = HELD_OUT_ROWS_AT_ONCE * engine.world_size
    for start in range(0, len(rows), rows_at_once):
        share = rows[start : start + rows_at_once][engine.rank :: engine.world_size]
        total += engine.loss_sum(share).item()
    (total,) = engine.all_sum([total])
    return total / sum(row.supervised_tokens for row in rows)
