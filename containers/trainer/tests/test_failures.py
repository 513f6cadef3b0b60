"""Every bad end has its exit code, and an error.json that says what to do."""

import errno
import json

import pytest
import torch
from botocore.exceptions import EndpointConnectionError
from conftest import ROWS

from roslin_trainer.engine import TorchEngine
from roslin_trainer.errors import out_of_memory
from roslin_trainer.exit_codes import ExitCode


def failing(error):
    def step(*_, **__):
        raise error

    return step


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), 21, "OUT_OF_MEMORY"),
        (MemoryError(), 21, "OUT_OF_MEMORY"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 21, "OUT_OF_MEMORY"),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"), 21, "OUT_OF_MEMORY"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), 21, "OUT_OF_MEMORY"),
        (RuntimeError("NCCL error: Cuda failure 'out of memory'"), 21, "OUT_OF_MEMORY"),
        (EndpointConnectionError(endpoint_url="x"), 40, "STORAGE_UNAVAILABLE"),
        (OSError(errno.ENOSPC, "No space left on device"), 31, "DISK_FULL"),
        (ValueError("surprise"), 1, "INTERNAL"),
    ],
)
def test_exceptions_are_named(make_run, monkeypatch, error, exit_code, code):
    run = make_run()
    monkeypatch.setattr("roslin_trainer.prepare.prepare", failing(error))
    assert run.step("prepare") == exit_code
    found = run.json("error.json")
    assert found.keys() == {"step", "exitCode", "code", "message", "nextStep"}
    assert (found["step"], found["exitCode"], found["code"]) == ("prepare", exit_code, code)
    assert found["nextStep"]


def test_memory_that_runs_out_while_training_is_held_against_the_estimate(make_run, monkeypatch):
    run = make_run()
    run.content["capacity"][0]["reason"] = "6.05 B parameters need 96.8 GB, 8 × 32 GB are there"
    run.write()
    run.step("prepare")
    monkeypatch.setattr(
        TorchEngine, "accumulate", failing(torch.cuda.OutOfMemoryError("CUDA out of memory."))
    )
    assert run.step("train") == ExitCode.OUT_OF_MEMORY
    assert run.json("error.json")["message"] == (
        "Memory ran out: CUDA out of memory. "
        "The plan's estimate was: 6.05 B parameters need 96.8 GB, 8 × 32 GB are there."
    )


def test_memory_of_the_gpu_is_told(monkeypatch):
    gib = 2**30
    for name, value in {
        "is_available": True,
        "current_device": 3,
        "mem_get_info": (1 * gib, 32 * gib),
        "memory_allocated": 24 * gib,
        "memory_reserved": 30 * gib,
        "max_memory_allocated": 29 * gib,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    assert out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory")).message == (
        "Memory ran out: CUDA out of memory. "
        "GPU 3: 24.0 GiB allocated, 30.0 reserved, 29.0 at most, 1.0 free of 32.0."
    )


def test_success_takes_an_old_error_away(make_run):
    run = make_run()
    (run.folder / "error.json").write_text("{}")
    assert run.step("prepare") == 0
    assert not (run.folder / "error.json").exists()


def test_wrong_row_is_a_user_error(make_run):
    run = make_run(rows=[*ROWS, {"instruction": "", "output": "x"}])
    assert run.step("prepare") == ExitCode.USER_ERROR
    assert "line " in run.json("error.json")["message"]


def test_changed_data_is_a_user_error(make_run):
    run = make_run()
    run.content["dataset"]["sha256"] = "0" * 64
    run.write()
    assert run.step("prepare") == ExitCode.USER_ERROR
    assert "changed after the run was planned" in run.json("error.json")["message"]


def test_unknown_plan_version_is_a_user_error(make_run):
    run = make_run()
    run.content["planVersion"] = 2
    run.write()
    assert run.step("train") == ExitCode.USER_ERROR
    assert run.json("error.json")["code"] == "PLAN_UNREADABLE"


def test_plan_that_is_not_there_is_a_user_error(make_run):
    run = make_run()
    run.plan_path.unlink()
    assert run.step("train") == ExitCode.USER_ERROR


@pytest.mark.parametrize("content", [{}, {"config.json": "{}"}, {"a.gguf": "not a model"}])
def test_unreadable_model(make_run, tmp_path, content):
    source = tmp_path / "broken"
    source.mkdir()
    for name, text in content.items():
        (source / name).write_text(text)
    run = make_run(source)
    assert run.step("prepare") == ExitCode.MODEL_UNREADABLE
    assert str(source) in run.json("error.json")["message"]


def test_train_before_prepare(make_run):
    run = make_run()
    assert run.step("train") == ExitCode.USER_ERROR
    assert run.json("error.json")["code"] == "NOT_PREPARED"


def test_evaluate_before_train(make_run):
    run = make_run()
    run.step("prepare")
    assert run.step("evaluate") == ExitCode.USER_ERROR
    assert run.json("error.json")["code"] == "NOT_TRAINED"


def test_missing_gpus(make_run):
    run = make_run()
    run.content["recipe"]["resources"]["gpus"] = 8
    run.write()
    assert run.step("train") == ExitCode.GPUS_MISSING
    assert run.json("error.json")["code"] == "GPUS_MISSING"


def test_precision_without_hardware(make_run):
    run = make_run(training={"precision": "fp16"})
    run.step("prepare")
    assert run.step("train") == ExitCode.PRECISION_UNSUPPORTED
    assert run.json("error.json")["code"] == "PRECISION_UNSUPPORTED"


def test_table_is_the_control_planes():
    from pathlib import Path

    source = Path(__file__).parents[3] / "core" / "exit-codes.ts"
    if not source.exists():
        pytest.skip("the trainer is not in the repository")
    table = source.read_text().split("EXIT_CODES = {")[1].split("}")[0]
    pairs = (line.strip().rstrip(",").split(": ") for line in table.strip().splitlines())
    theirs = {name: int(value) for name, value in pairs}
    ours = {code.name.replace("_", "").lower(): int(code) for code in ExitCode}
    assert ours == {name.lower(): value for name, value in theirs.items()}


def test_error_outlives_storage_that_is_gone(make_run, monkeypatch, capsys):
    run = make_run()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    from roslin_trainer import error_file

    monkeypatch.setattr(error_file, "open_folder", failing(EndpointConnectionError(endpoint_url="x")))
    assert run.step("prepare") == ExitCode.STORAGE
    assert "could not be written" in capsys.readouterr().out


def test_plan_fields_beyond_ours_are_ignored(make_run):
    run = make_run()
    run.content["steps"] = {"x": 1}
    run.write()
    assert json.loads(run.plan_path.read_text())["steps"] and run.plan.run_id == "01TEST"
