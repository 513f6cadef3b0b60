"""The training loop of one rank."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from roslin_trainer.bad_steps import BadSteps
from roslin_trainer.batches import BatchPlan, measured_batches
from roslin_trainer.budget import Budget, Limit
from roslin_trainer.checkpoint import STATE_FOLDER, Position, epoch_name, read_position, step_name
from roslin_trainer.engine import Engine
from roslin_trainer.errors import TrainerError, interrupted
from roslin_trainer.exit_codes import ENDS_OF_ALL_RANKS, ExitCode
from roslin_trainer.log import log
from roslin_trainer.metrics import Metrics, StepNumbers
from roslin_trainer.plan import Plan
from roslin_trainer.saver import CheckpointSaver
from roslin_trainer.schedule import learning_rate
from roslin_trainer.signals import StopSignal
from roslin_trainer.tokens import TokenRow
from roslin_trainer.watchdog import Watchdog

LOG_SECONDS = 5.0


@dataclass(frozen=True)
class Rows:
    train: list[TokenRow]
    held_out: list[TokenRow]


@dataclass(frozen=True)
class AfterStep:
    """What all ranks have agreed on at the end of a step."""

    ending: TrainerError | None
    save_is_due: bool


class Trainer:
    """Trains from where the engine's checkpoint left off to the last epoch."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        rows: Rows,
        saver: CheckpointSaver,
        metrics: Metrics,
        budget: Budget,
        watchdog: Watchdog,
        on_failure: Callable[[Exception], None],
    ):
        """`on_failure` is told of an error as soon as it ends training, before uploads are waited for."""
        self._plan = plan
        self._engine = engine
        self._rows = rows
        self._saver = saver
        self._metrics = metrics
        self._budget = budget
        self._watchdog = watchdog
        self._on_failure = on_failure
        self._batches = batch_plan(plan, rows.train, engine)
        self._total_steps = self._batches.steps_per_epoch * plan.training.epochs
        self._step = 0
        self._bad_steps = BadSteps(engine.layout.precision == "fp16")
        self._slowest_step_seconds = 0.0
        self._logged_at = 0.0

    def resume(self, checkpoint: Path) -> None:
        position = read_position(checkpoint)
        self._engine.load_state(checkpoint / STATE_FOLDER)
        self._metrics.restore(position.metrics)
        self._step = position.step
        self._log(f"resuming at step {self._step}/{self._total_steps}")

    def run(self, stop: StopSignal) -> None:
        """Raises TrainerError INTERRUPTED, COST_LIMIT_REACHED or TIME_LIMIT_REACHED, each after a checkpoint,
        or TRAINING_DIVERGED."""
        if self._engine.rank == 0:
            self._metrics.start()
        # The uploads too: who tells training to stop must not lose what it saved.
        with stop.deferred():
            try:
                with self._watchdog:
                    self._train(stop)
            except Exception as error:
                if isinstance(error, TrainerError) and error.exit_code in ENDS_OF_ALL_RANKS:
                    self._close()
                else:
                    self._on_failure(error)
                    self._close_after_failure()
                raise
            self._close()

    def _close(self) -> None:
        """Waits for what was saved to get to storage."""
        self._saver.close(self._report if self._engine.rank == 0 else None)

    def _close_after_failure(self) -> None:
        try:
            self._close()
        except Exception as error:
            # What ended training is the cause.
            log(f"what was saved before did not all get to storage: {error}")

    def _report(self) -> None:
        self._metrics.close()
        self._metrics.raw_upload()()

    def _train(self, stop: StopSignal) -> None:
        per_epoch = self._batches.steps_per_epoch
        if self._step % per_epoch == 0:
            # Before training; or after an epoch that ended in haste.
            if ending := self._measure_held_out(self._step // per_epoch, stop):
                raise ending
        for epoch in range(self._step // per_epoch, self._plan.training.epochs):
            for index, step_rows in enumerate(self._batches.steps(epoch)):
                if index < self._step - epoch * per_epoch:
                    continue
                after = self._do_step(step_rows, stop)
                is_epoch_end = self._step % per_epoch == 0
                if after.ending and not is_epoch_end:
                    self._save_before(after.ending, stop, step_name(self._step))
                if after.save_is_due and not is_epoch_end:
                    self._save(step_name(self._step))
            if ending := after.ending or self._measure_held_out(epoch + 1, stop):
                self._save_before(ending, stop, epoch_name(epoch + 1))
            self._save(epoch_name(epoch + 1))

    def _do_step(self, step_rows: list[int], stop: StopSignal) -> AfterStep:
        """One optimizer step; one whose loss is no number leaves the weights as they are."""
        started = time.monotonic()
        rows = [self._rows.train[index] for index in step_rows]
        tokens = sum(len(row.ids) for row in rows)
        supervised_tokens = sum(row.supervised_tokens for row in rows)
        with self._watchdog.watching("step"):
            loss_sum = self._accumulate(step_rows, supervised_tokens)
            is_first = self._engine.rank == 0
            loss_sum, computed_tokens, stops, limit, due = self._engine.all_sum(
                [
                    loss_sum,
                    float(self._engine.computed_tokens()),
                    float(stop.requested),
                    float(is_first and (self._exceeded_limit() or 0)),
                    float(is_first and self._saver.is_due()),
                ]
            )
            loss = loss_sum / supervised_tokens
            rate = learning_rate(self._plan.training, self._step, self._total_steps)
            # At a rate of 0 a step whose loss is infinite, but not its gradients, moves nothing either.
            norm = self._engine.update(rate if math.isfinite(loss) else 0.0)
        self._step += 1
        seconds = time.monotonic() - started
        self._slowest_step_seconds = max(self._slowest_step_seconds, seconds)
        if math.isfinite(loss):
            self._metrics.add_step(
                StepNumbers(
                    loss,
                    rate,
                    norm,
                    rows=len(rows),
                    tokens=tokens,
                    supervised_tokens=supervised_tokens,
                    # A pack has none, and fewer slots than tokens: a shared prefix is computed once.
                    padding_tokens=int(computed_tokens) - tokens if self._engine.is_padded else 0,
                    seconds=seconds,
                )
            )
        else:
            self._metrics.skip_step()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._log(f"step {self._step} moved nothing: loss {loss}, gradient norm {norm}")
        if reason := self._bad_steps.add(loss, norm):
            raise self._diverged(reason)
        if time.monotonic() - self._logged_at > LOG_SECONDS or self._step == self._total_steps:
            self._log(self._metrics.line())
            self._logged_at = time.monotonic()
        return AfterStep(self._ending(stops > 0, limit, stop), due > 0)

    def _accumulate(self, step_rows: list[int], supervised_tokens: int) -> float:
        micro_batches = self._batches.micro_batches(step_rows, self._engine.rank)
        loss_sum = 0.0
        for index, indexes in enumerate(micro_batches):
            micro_rows = [self._rows.train[row] for row in indexes]
            is_last = index == len(micro_batches) - 1
            # Stays on the device: reading it here would keep the GPU waiting between packs.
            loss_sum += self._engine.accumulate(micro_rows, supervised_tokens, is_last)
        return float(loss_sum)

    def _ending(self, is_stopped: bool, limit: float, stop: StopSignal) -> TrainerError | None:
        if is_stopped:
            notice = stop.notice
            return interrupted(notice.reason if notice else "another rank was told to stop")
        if limit and self._step < self._total_steps:
            return self._budget.error(Limit(int(limit)))
        return None

    def _exceeded_limit(self) -> Limit | None:
        return self._budget.exceeded(self._slowest_step_seconds + 2 * (self._saver.expected_seconds or 0.0))

    def _save_before(self, ending: TrainerError, stop: StopSignal, name: str) -> None:
        """Saves if there is time, and ends."""
        expected, notice = self._saver.expected_seconds, stop.notice
        is_late = bool(notice and expected and expected > notice.seconds_left)
        # Any rank may know of the notice, and the first one of what a save takes.
        (late,) = self._engine.all_sum([float(is_late)])
        if late > 0:
            self._log(
                f"no checkpoint of step {self._step}: a save takes about {expected or 0:.0f} s, "
                f"{notice.seconds_left if notice else 0:.0f} s are left; the last complete one stands"
            )
        else:
            self._save(name)
        raise ending

    def _measure_held_out(self, epoch: int, stop: StopSignal) -> TrainerError | None:
        """The end that it was broken off for: the next attempt measures then."""
        if not self._rows.held_out or self._metrics.has_held_out(epoch):
            return None
        with self._watchdog.watching("held-out loss"):
            loss = held_out_loss(self._engine, self._rows.held_out, stop)
        if loss is None:
            return self._ending(True, 0, stop)
        if not math.isfinite(loss):
            raise self._diverged(f"The held-out loss became {loss}")
        self._metrics.add_held_out(epoch, loss)
        self._log(f"held-out loss {loss:.3f} {'before training' if epoch == 0 else f'after epoch {epoch}'}")
        return None

    def _save(self, name: str) -> None:
        with self._watchdog.watching("checkpoint"):
            (broken,) = self._engine.all_sum([float(not self._engine.has_finite_weights())])
            if broken > 0:
                raise self._diverged("A weight is no finite number")
            epoch = round(self._step / self._batches.steps_per_epoch, 6)
            position = Position(
                self._step, self._metrics.state(), self._budget.elapsed_seconds, self._engine.layout
            )
            if self._engine.rank == 0:
                self._saver.save(name, epoch, position, self._metrics.raw_upload())
            else:
                self._saver.save(name, epoch, position)

    def _diverged(self, what: str) -> TrainerError:
        return TrainerError(
            ExitCode.DIVERGED,
            "TRAINING_DIVERGED",
            f"{what}, at step {self._step} of {self._total_steps}. The checkpoints saved before are good.",
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


def held_out_loss(engine: Engine, rows: list[TokenRow], stop: StopSignal) -> float | None:
    """The mean loss of a supervised token; None where a rank is told to stop before it is known.

    Every rank measures a share, in as many batches as the others.
    """
    total = 0.0
    for batch in measured_batches(rows, engine.pack_tokens, engine.world_size):
        (stops,) = engine.all_sum([float(stop.requested)])
        if stops > 0:
            return None
        total += engine.loss_sum(batch[engine.rank :: engine.world_size]).item()
    (total,) = engine.all_sum([total])
    return total / sum(row.supervised_tokens for row in rows)
