import errno
import json
import shutil
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from roslin_trainer.benchmarks import _running, benchmarks_json
from roslin_trainer.errors import as_trainer_error, interrupted
from roslin_trainer.plan import Benchmarks

TASK = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: questions.jsonl
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""


def results(accuracy: float) -> dict:
    return {
        "results": {
            "sums": {
                "alias": "sums",
                "sample_len": 6,
                "acc,none": accuracy,
                "acc_stderr,none": "N/A",
                "exact_match,strict": accuracy / 2,
                "exact_match_stderr,strict": 0.1,
            }
        },
        "higher_is_better": {"sums": {"acc": True, "exact_match": True}},
    }


def test_a_row_is_a_task_and_metric_with_a_value_of_each_model():
    assert benchmarks_json([results(0.5), results(1.0)]) == [
        {"task": "sums", "metric": "acc", "higherIsBetter": True, "values": [0.5, 1.0]},
        {"task": "sums", "metric": "exact_match,strict", "higherIsBetter": True, "values": [0.25, 0.5]},
    ]


def test_benchmarks_are_refused_before_training_where_lm_eval_is_missing(make_run, monkeypatch):
    monkeypatch.setattr("roslin_trainer.benchmarks.find_spec", lambda name: None)
    run = make_run(evaluation={"benchmarks": {"tasks": ["sums"]}})
    assert run.step("prepare") == 10
    error = run.json("error.json")
    assert error["code"] == "BENCHMARKS_MISSING" and "benchmarks extra" in error["nextStep"]


@pytest.fixture
def task_folder(tmp_path, monkeypatch):
    """Six questions; the right answer is always the first."""
    pytest.importorskip("lm_eval", reason="lm-eval is not installed (the benchmarks extra)")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "sums.yaml").write_text(TASK.format(name="roslin_sums"))
    questions = [
        {"question": f"{n} plus 1 is", "choices": [f" {n + 1}", f" {n + 3}"], "answer": 0} for n in range(6)
    ]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, questions)))
    return folder


def test_base_and_kept_epochs_answer_the_same_questions_offline(make_run, task_folder):
    benchmarks = {"tasks": ["roslin_sums"], "folder": str(task_folder), "limit": 4}
    run = make_run(training={"method": "lora", "keepEpochs": [1, 2]}, evaluation={"benchmarks": benchmarks})
    assert run.step("prepare") == run.step("train") == run.step("evaluate") == 0
    (row,) = run.json("evaluation.json")["benchmarks"]
    assert (row["task"], row["metric"], row["higherIsBetter"]) == ("roslin_sums", "acc", True)
    assert len(row["values"]) == 3
    # Of four questions, as the limit says.
    assert all(value in (0, 0.25, 0.5, 0.75, 1) for value in row["values"])

    (task_folder / "questions.jsonl").unlink()
    # In Prepare already, before anything is paid for; and where it goes missing later.
    for step in ("prepare", "evaluate"):
        assert run.step(step) == 10
        error = run.json("error.json")
        assert error["code"] == "BENCHMARK_FAILED" and "questions.jsonl" in error["message"]


@pytest.mark.parametrize(
    ("right", "wrong", "reason"),
    [
        ("{{question}}", "{{question.foo.bar}}", "has no attribute 'foo'"),
        ("{{question}}", "{{question | shout}}", "No filter named 'shout'"),
        ("{{question}}", "{{question", "unexpected end of template"),
        ("{{question}}", "{{question + 1}}", "TypeError: can only concatenate str"),
    ],
    ids=["attribute", "filter", "syntax", "type"],
)
def test_a_mistake_in_a_template_is_the_tasks_own_and_found_before_training(
    make_run, task_folder, right, wrong, reason
):
    task = task_folder / "sums.yaml"
    task.write_text(task.read_text().replace(right, wrong))
    run = make_run(evaluation={"benchmarks": {"tasks": ["roslin_sums"], "folder": str(task_folder)}})
    assert run.step("prepare") == 10
    error = run.json("error.json")
    assert error["code"] == "BENCHMARK_FAILED" and reason in error["message"]


def test_a_broken_data_file_is_named_with_its_reason(make_run, task_folder):
    (task_folder / "questions.jsonl").write_text('{"question": ')
    run = make_run(evaluation={"benchmarks": {"tasks": ["roslin_sums"], "folder": str(task_folder)}})
    assert run.step("prepare") == 10
    error = run.json("error.json")
    assert error["code"] == "BENCHMARK_FAILED" and "JSON parse error" in error["message"]


FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


def wrapped(cause: Exception) -> Exception:
    error = Exception("An error occurred while generating the dataset")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (FULL_DISK, "DISK_FULL"),
        (wrapped(FULL_DISK), "DISK_FULL"),
        (MemoryError(), "OUT_OF_MEMORY"),
        (wrapped(EndpointConnectionError(endpoint_url="https://s3")), "STORAGE_UNAVAILABLE"),
        (wrapped(interrupted()), "INTERRUPTED"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "INTERNAL"),
    ],
    ids=["full-disk", "full-disk-below", "memory", "storage-below", "stop-below", "gpu"],
)
def test_what_is_no_mistake_of_a_task_keeps_its_code(tmp_path, raised, code):
    with pytest.raises(Exception) as caught, _running(Benchmarks(("sums",), None, None), tmp_path):
        raise raised
    assert as_trainer_error(caught.value).code == code


@pytest.fixture
def few_defaults(tmp_path, monkeypatch):
    """Of lm-eval's 14,000 tasks, which take half a minute to list, a few."""
    from lm_eval.tasks import manager

    defaults = tmp_path / "defaults"
    shutil.copytree(Path(manager.__file__).parent / "hellaswag", defaults / "hellaswag")
    monkeypatch.setattr(manager, "__file__", str(defaults / "manager.py"))


def test_unknown_tasks_are_named_before_training(make_run, task_folder, few_defaults):
    benchmarks = {"tasks": ["roslin_sums", "hellaswag", "roslin_sum"], "folder": str(task_folder)}
    run = make_run(evaluation={"benchmarks": benchmarks})
    assert run.step("prepare") == 10
    error = run.json("error.json")
    assert error["code"] == "BENCHMARK_UNKNOWN" and "has: roslin_sum." in error["message"]
