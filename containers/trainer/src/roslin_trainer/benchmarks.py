"""Benchmarks by lm-eval: its own tasks, or the team's, as YAML files in a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from roslin_trainer.errors import TrainerError, as_trainer_error
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.plan import Benchmarks, Plan
from roslin_trainer.storage import download_files, open_folder

QUESTIONS_AT_ONCE = 8


def check_benchmarks(plan: Plan, scratch: Path) -> None:
    """Raises what Evaluate would: before training, not after it. Reads the tasks' questions too."""
    benchmarks, folder = plan.evaluation.benchmarks, scratch / "benchmarks"
    if benchmarks:
        tasks = load_tasks(benchmarks, folder)
        with _running(benchmarks, folder):
            tasks.load(list(benchmarks.tasks))


def load_tasks(benchmarks: Benchmarks, folder: Path):
    """lm-eval's index of tasks, those of the recipe's folder before its own; they are fetched to `folder`.

    Raises TrainerError BENCHMARKS_MISSING or BENCHMARK_UNKNOWN.
    """
    if not find_spec("lm_eval"):
        raise TrainerError(
            ExitCode.USER_ERROR,
            "BENCHMARKS_MISSING",
            "The recipe asks for evaluation.benchmarks, and this trainer has no lm-eval, which runs them.",
            "Install the trainer with its benchmarks extra, or leave evaluation.benchmarks out.",
        )
    from lm_eval.tasks import TaskManager

    folder.mkdir(parents=True, exist_ok=True)
    if benchmarks.folder:
        source = open_folder(benchmarks.folder)
        download_files(source, source.paths(), folder)
    path = str(folder.resolve())
    own = TaskManager(include_path=path, include_defaults=False)
    if set(benchmarks.tasks) <= set(own.all_subtasks):
        return own
    # lm-eval has 14,000 tasks, which take it many seconds to list; a group may name any of them.
    tasks = TaskManager(include_path=path)
    unknown = [name for name in benchmarks.tasks if name not in tasks.task_index]
    if unknown:
        raise TrainerError(
            ExitCode.USER_ERROR,
            "BENCHMARK_UNKNOWN",
            f"evaluation.benchmarks names tasks that neither lm-eval nor {benchmarks.folder or 'a folder'} "
            f"has: {', '.join(unknown)}.",
            "Mend the names; `lm-eval ls tasks` lists lm-eval's. Tasks of your own are .yaml files in "
            "evaluation.benchmarks.folder.",
        )
    return tasks


def run_benchmarks(model, tokenizer, benchmarks: Benchmarks, tasks, folder: Path) -> dict:
    """lm-eval's results for one model. Raises TrainerError BENCHMARK_FAILED."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    with _running(benchmarks, folder):
        return lm_eval.simple_evaluate(
            model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=QUESTIONS_AT_ONCE),
            tasks=list(benchmarks.tasks),
            task_manager=tasks,
            limit=benchmarks.limit,
            # The spread of a mean, resampled: minutes for a figure that is not shown.
            bootstrap_iters=0,
            log_samples=False,
        )


@contextmanager
def _running(benchmarks: Benchmarks, folder: Path) -> Iterator[None]:
    """Where the tasks' data files are found, and what a task's mistake raises is BENCHMARK_FAILED."""
    before = Path.cwd()
    # A task names its data files relative to its own folder.
    os.chdir(folder)
    try:
        yield
    except Exception as error:
        causes = list(_causes(error))
        for named in map(as_trainer_error, causes):
            if named.exit_code != ExitCode.UNEXPECTED:
                raise named from error
        # PyTorch's, of a GPU that fails: no mistake of a task's.
        if isinstance(error, RuntimeError):
            raise
        reason = "; ".join(f"{type(cause).__name__}: {cause}" for cause in causes)
        raise TrainerError(
            ExitCode.USER_ERROR,
            "BENCHMARK_FAILED",
            f"lm-eval cannot run {', '.join(benchmarks.tasks)}: {reason}",
            "Check the task's YAML, its templates and its data file, and that the job reaches the Hub where "
            "data lie there.",
        ) from error
    finally:
        os.chdir(before)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from: the data sets' library says only that it could not build one."""
    while error:
        yield error
        error = error.__cause__


def benchmarks_json(results: list[dict]) -> list[dict]:
    """lm-eval's results, one dict a model, as in evaluation.json: a row a task and metric."""
    rows = []
    for task, metrics in results[0]["results"].items():
        for key in metrics:
            # "acc,none": a metric and the filter of answers that it was taken after.
            metric, comma, filter_name = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            rows.append(
                {
                    "task": task,
                    "metric": metric if filter_name == "none" else key,
                    "higherIsBetter": results[0]["higher_is_better"].get(task, {}).get(metric),
                    "values": [result["results"][task][key] for result in results],
                }
            )
    return rows
