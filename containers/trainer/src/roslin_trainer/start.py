"""What the ranks agree on before the first step."""

import json
import math
import secrets

from botocore.exceptions import IncompleteReadError, ResponseStreamingError

from roslin_trainer.budget import Spent
from roslin_trainer.checkpoint import Position
from roslin_trainer.checkpoint_parts import Parts
from roslin_trainer.engine import Engine
from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.log import log
from roslin_trainer.metrics import METRICS_FILE
from roslin_trainer.nodes import read_place
from roslin_trainer.storage import Folder

# Whole numbers up to here survive a sum in float32.
EXACT = 2**24

TRUNCATED = (IncompleteReadError, ResponseStreamingError)


def check_same_start(engine: Engine, position: Position | None) -> None:
    """Each node fetches the newest checkpoint by itself, and may have found its own part of it damaged.

    Raises TrainerError CHECKPOINTS_DIFFER.
    """
    step = position.step if position else 0
    (total,) = engine.all_sum([float(step)])
    if not math.isclose(total, step * engine.world_size, rel_tol=1e-6):
        raise TrainerError(
            ExitCode.STORAGE,
            "CHECKPOINTS_DIFFER",
            f"Rank {engine.rank} found step {step} to resume from, others another.",
            "Nothing to do: the damaged checkpoint has been marked, and the next attempt leaves it aside.",
        )


def earlier_attempts(run_folder: Folder, position: Position | None, price_usd_per_hour: float) -> Spent:
    """Time and cost of earlier attempts: of those that were killed, their metrics know it better.

    Time that no metrics give the cost of is counted at the plan's price.
    """
    try:
        metrics = json.loads(_read_metrics(run_folder) or "{}")
    except ValueError:
        metrics = {}
    except TRUNCATED as error:
        log(
            f"{METRICS_FILE} of the earlier attempts cannot be read whole ({error}): their time is taken "
            "from the checkpoint, their cost counted at the plan's price."
        )
        metrics = {}
    counted_usd, counted_seconds = metrics.get("costUsd"), metrics.get("elapsedSeconds") or 0.0
    seconds = max(position.elapsed_seconds if position else 0.0, counted_seconds)
    if counted_usd is None:
        counted_usd, counted_seconds = 0.0, 0.0
    return Spent(seconds, counted_usd + (seconds - counted_seconds) / 3600 * price_usd_per_hour)


def _read_metrics(run_folder: Folder) -> bytes | None:
    try:
        return run_folder.read(METRICS_FILE)
    except TRUNCATED:
        # A connection that broke is no broken file; what is broken twice is.
        return run_folder.read(METRICS_FILE)


def start_parts(engine: Engine) -> Parts:
    (attempt,) = engine.all_sum([float(secrets.randbelow(EXACT) if engine.rank == 0 else 0)])
    return Parts(read_place().node_count, int(attempt))
