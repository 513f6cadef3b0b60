"""Every machine that cannot train a plan is refused in seconds, with a code of its own."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from botocore.exceptions import ClientError
from fake_nvml import build_fake_nvml, run_with
from transformers import GPTJConfig

from roslin_trainer import host
from roslin_trainer.errors import TrainerError, as_trainer_error
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.nvml import Gpu
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.disk import check_scratch
from roslin_trainer.preflight.driver import check_driver
from roslin_trainer.preflight.driver_matrix import KNOWN_GOOD, known_good, parse_version
from roslin_trainer.preflight.gpus import check_architecture
from roslin_trainer.preflight.machine import Machine, read_machine
from roslin_trainer.preflight.memory import check_memory
from roslin_trainer.preflight.node import run_checks
from roslin_trainer.preflight.precision import check_precision

GIB = 2**30
# GPT-J-6B.
PARAMETERS = 6_050_882_784
# What PyTorch 2.10.0 with CUDA 12.8 was compiled for.
ARCHITECTURES = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def machine(name: str, memory_gib: int, capability: tuple[int, int], count: int = 8, **facts) -> Machine:
    gpus = tuple(Gpu(i, name, f"GPU-{i}", memory_gib * GIB, capability) for i in range(count))
    return replace(
        Machine(
            driver_version="535.183.01",
            cuda_driver_version=(12, 2),
            gpus=gpus,
            nvml_note=None,
            torch_version="2.10.0+cu128",
            torch_cuda="12.8",
            torch_gpus=count,
            torch_architectures=ARCHITECTURES,
            nodes=1,
            cpu_has_bf16=False,
            memory_bytes=768 * GIB,
            scratch=Path("/scratch"),
            scratch_free_bytes=900 * GIB,
            shared_memory_bytes=8 * GIB,
        ),
        **facts,
    )


V100 = machine("Tesla V100-SXM2-32GB", 32, (7, 0))
A100 = machine("NVIDIA A100-SXM4-40GB", 40, (8, 0))
H100 = machine("NVIDIA H100 80GB HBM3", 80, (9, 0))
T4 = machine("Tesla T4", 15, (7, 5), count=4)
CPU = replace(
    machine("", 0, (0, 0), count=0),
    driver_version=None,
    cuda_driver_version=None,
    nvml_note="NVML Shared Library Not Found",
    torch_architectures=(),
)


@pytest.fixture
def make_plan(make_run):
    """`make_plan(gpus, method=…)`: GPT-J-6B on so many GPUs, prepared as if it were small."""

    def make(gpus: int = 8, parameters: int = PARAMETERS, **training) -> Plan:
        run = make_run(training={"method": "full", **training})
        run.content["recipe"]["resources"]["gpus"] = gpus
        run.content["baseModel"]["parameters"] = parameters
        run.write()
        mirror = Path(run.plan.base_model.mirror_uri)
        mirror.mkdir(parents=True, exist_ok=True)
        # Its defaults are GPT-J-6B's.
        (mirror / "config.json").write_text(json.dumps({**GPTJConfig().to_dict(), "model_type": "gptj"}))
        return run.plan

    return make


def refused(plan: Plan, found: Machine) -> TrainerError:
    with pytest.raises(TrainerError) as raised:
        run_checks(plan, found)
    assert raised.value.next_step
    return raised.value


@pytest.mark.parametrize("found", [V100, A100, H100], ids=["v100", "a100", "h100"])
def test_fit_machine_passes_with_a_line_for_each_check(make_plan, found, capsys):
    run_checks(make_plan(), found)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "preflight driver",
        "preflight GPUs",
        "preflight architecture",
        "preflight shared memory",
        "preflight method",
        "preflight precision",
        "preflight storage",
        "preflight scratch disk",
        "preflight GPU memory",
    ]
    assert lines[0] == "preflight driver: 535.183.01, CUDA 12.2 driver for PyTorch 2.10.0+cu128: ok"
    assert all(line.endswith(": ok") for line in lines)


def test_cpu_is_asked_only_what_makes_sense(make_plan, capsys):
    run_checks(make_plan(gpus=0), CPU)
    names = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [
        "preflight method",
        "preflight precision",
        "preflight storage",
        "preflight scratch disk",
    ]


def test_this_machine_can_be_read(tmp_path):
    found = read_machine(tmp_path)
    assert found.torch_version == torch.__version__ and found.torch_cuda == torch.version.cuda
    assert found.scratch_free_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert found.torch_gpus == torch.cuda.device_count()
    assert (found.driver_version is None) == (found.nvml_note is not None)


@pytest.mark.parametrize(
    ("driver", "torch_version", "cuda"),
    [
        ("515.105.01", "2.10.0+cu128", "12.8"),
        ("525.53", "2.10.0+cu128", "12.8"),
        ("570.86.15", "2.12.0+cu130", "13.0"),
        ("440.33.01", "2.0.1+cu117", "11.7"),
    ],
)
def test_driver_too_old_for_pytorch_is_refused(make_plan, driver, torch_version, cuda):
    found = replace(A100, driver_version=driver, torch_version=torch_version, torch_cuda=cuda)
    error = refused(make_plan(), found)
    assert (error.exit_code, error.code) == (ExitCode.DRIVER_MISMATCH, "DRIVER_MISMATCH")
    assert driver in error.message and torch_version in error.message


def test_oldest_driver_is_named_as_nvidia_writes_it(make_plan):
    error = refused(make_plan(), replace(A100, driver_version="515.105.01"))
    assert "needs 525.60.13 or newer" in error.message


def test_driver_after_the_last_one_for_volta_is_refused_on_volta_only(make_plan):
    assert refused(make_plan(), replace(V100, driver_version="595.10")).code == "DRIVER_MISMATCH"
    run_checks(make_plan(), replace(H100, driver_version="595.10"))


def test_driver_that_nobody_has_tried_is_let_through_and_said_so(make_plan):
    for driver, is_known in (
        ("525.147.05", False),
        ("535.54.03", True),
        ("580.65.06", True),
        ("595.10", False),
    ):
        said = check_driver(make_plan(), replace(H100, driver_version=driver))
        assert ("not among the known good" in said) != is_known, driver


def test_pytorch_without_cuda_is_refused(make_plan):
    error = refused(make_plan(), replace(A100, torch_version="2.10.0+cpu", torch_cuda=None))
    assert error.exit_code == ExitCode.DRIVER_MISMATCH and "built without CUDA" in error.message


@pytest.mark.parametrize("cuda", ["11.1", "11.7", "11.8"])
def test_the_hosts_of_dolly_are_known_good(cuda):
    line = known_good("2.0.1+cu117", parse_version(cuda), parse_version("515.105.01"))
    assert line == KNOWN_GOOD[0] and line.hosts == "Ubuntu 20.04, 22.04"
    assert known_good("2.10.0+cu128", (12, 8), parse_version("515.105.01")) is None


def test_every_line_of_the_matrix_has_a_source():
    assert all(line.source and line.gpus and line.hosts for line in KNOWN_GOOD)


def test_too_few_gpus_are_refused(make_plan):
    four = machine("Tesla V100-SXM2-32GB", 32, (7, 0), count=4)
    error = refused(make_plan(), four)
    assert (error.exit_code, error.code) == (ExitCode.GPUS_MISSING, "GPUS_MISSING")
    assert "asks for 8 GPUs" in error.message and "can use 4" in error.message


def test_gpus_that_pytorch_cannot_start_are_missing(make_plan):
    error = refused(make_plan(), replace(A100, torch_gpus=0))
    assert error.code == "GPUS_MISSING" and "the driver shows 8" in error.message


def test_machine_without_a_driver_says_so(make_plan):
    error = refused(make_plan(), CPU)
    assert error.code == "GPUS_MISSING" and "NVML Shared Library Not Found" in error.message


def test_gpu_that_pytorch_has_no_kernels_for_is_refused(make_plan):
    newer = replace(V100, torch_version="2.12.0+cu129", torch_architectures=("sm_75", "sm_80", "sm_90"))
    error = refused(make_plan(), newer)
    assert (error.exit_code, error.code) == (ExitCode.GPU_UNSUPPORTED, "GPU_UNSUPPORTED")
    assert "sm_70" in error.message and "sm_75, sm_80, sm_90" in error.message


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((8, 9), ("sm_80", "sm_86"), True),
        ((8, 0), ("sm_86",), False),
        ((9, 0), ("sm_80",), False),
        ((9, 0), ("sm_80", "compute_80"), True),
        ((7, 0), ("compute_80",), False),
        ((9, 0), ("sm_90a",), True),
        ((12, 0), ARCHITECTURES, True),
        ((12, 0), ("sm_90", "nonsense"), False),
    ],
)
def test_kernels_run_on_their_own_generation(make_plan, capability, architectures, runs):
    found = replace(machine("GPU", 80, capability), torch_architectures=architectures)
    if runs:
        assert "GPU" in check_architecture(make_plan(), found)
    else:
        with pytest.raises(TrainerError, match="needs kernels"):
            check_architecture(make_plan(), found)


def test_gpus_too_small_for_the_estimate_are_refused_with_its_arithmetic(make_plan):
    error = refused(make_plan(gpus=4), replace(T4, memory_bytes=64 * GIB))
    assert (error.exit_code, error.code) == (ExitCode.GPU_MEMORY_TOO_SMALL, "GPU_MEMORY_TOO_SMALL")
    # 6.05 B × 16 B; with the gradients in 32 bits 20 B, of which 70 % of 64 GiB hold 48.1 GB.
    assert "6.05 B parameters need 96.8 GB of states do not fit 4 × 16 GB" in error.message
    assert "needs 121.0 of 48.1 GB of usable host memory" in error.message


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (
            {"maxTokens": 1024, "batchSizePerGpu": 8},
            "zero3: 6.05 B parameters need 96.8 GB of states; a GPU of 8 × 34 GB holds",
        ),
        ({"method": "full", "sharding": "none"}, "none: as the recipe says, although by the estimate"),
        ({"method": "lora"}, "none: 6.0"),
        ({"method": "qlora"}, "none: 6.0"),
    ],
)
def test_memory_is_shared_out_as_the_ranks_will(make_plan, training, said):
    assert check_memory(make_plan(**training), V100).startswith(said)


def test_states_spread_over_the_gpus_of_all_machines(make_plan):
    small = replace(T4, memory_bytes=64 * GIB)
    with pytest.raises(TrainerError, match="do not fit 4 × 16 GB"):
        check_memory(make_plan(gpus=4), small)
    assert "a GPU of 16 × 16 GB holds" in check_memory(make_plan(gpus=4), replace(small, nodes=4))


def test_what_the_gpus_cannot_hold_goes_to_the_host_if_it_can(make_plan):
    assert "121.0 GB go to the host's memory" in check_memory(make_plan(gpus=4), T4)


def test_memory_of_a_model_that_is_not_mirrored_is_not_known(make_run):
    assert check_memory(make_run().plan, V100) == "not known"


def test_bf16_is_refused_where_the_recipe_demands_what_the_gpu_has_not(make_plan):
    for found in (V100, replace(T4, torch_gpus=8)):
        error = refused(make_plan(method="lora", precision="bf16"), found)
        assert (error.exit_code, error.code) == (ExitCode.PRECISION_UNSUPPORTED, "PRECISION_UNSUPPORTED")
        assert found.gpus[0].name in error.message
    assert refused(make_plan(gpus=0, precision="bf16"), CPU).exit_code == ExitCode.PRECISION_UNSUPPORTED


def test_cpu_with_bf16_trains_in_it_when_the_recipe_says_so_and_in_fp32_by_itself(make_plan):
    modern = replace(CPU, cpu_has_bf16=True)
    assert check_precision(make_plan(gpus=0, precision="bf16"), modern) == "bf16 (as the recipe says)"
    assert check_precision(make_plan(gpus=0), modern).startswith("fp32 ")
    assert refused(make_plan(gpus=0, precision="fp16"), modern).code == "PRECISION_UNSUPPORTED"


@pytest.mark.parametrize(
    ("processors", "has", "is_slow"),
    [
        ("vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512f avx512_bf16 sha_ni", True, True),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx512f avx512_bf16 sha_ni", True, False),
        ("vendor_id\t: GenuineIntel\nflags\t\t: avx512_bf16 amx_bf16 amx_tile", True, False),
        ("Features\t: fp asimd bf16 i8mm", True, False),
        ("vendor_id\t: GenuineIntel\nflags\t\t: fpu avx2 avx512f avx512_vnni", False, False),
        (None, False, False),
    ],
    ids=["intel-avx512", "amd-avx512", "amx", "graviton3", "older", "not-linux"],
)
def test_bf16_of_a_cpu_is_read_from_its_flags(monkeypatch, tmp_path, processors, has, is_slow):
    monkeypatch.setattr(host, "PROCESSORS", tmp_path / "cpuinfo")
    if processors:
        host.PROCESSORS.write_text(processors)
    assert host.has_bf16() is has and host.has_slow_bf16() is is_slow


@pytest.mark.parametrize(
    ("found", "gpus", "said"),
    [
        (V100, 8, "fp16 (Tesla V100-SXM2-32GB has no bf16; loss scaling is on)"),
        (T4, 4, "fp16 (Tesla T4 has no bf16; loss scaling is on)"),
        (A100, 8, "bf16 (NVIDIA A100-SXM4-40GB has bf16)"),
        (CPU, 0, "fp32 (on a CPU, unless the recipe says bf16)"),
    ],
    ids=["v100", "t4", "a100", "cpu"],
)
def test_precision_auto_says_what_it_chose_and_why(make_plan, found, gpus, said):
    assert check_precision(make_plan(gpus=gpus), found) == said


def test_scratch_disk_too_small_for_two_checkpoints_is_refused(make_plan):
    # Two checkpoints of 6.05 B × 16 B are 180 GiB.
    run_checks(make_plan(), replace(V100, scratch_free_bytes=181 * GIB))
    error = refused(make_plan(), replace(V100, scratch_free_bytes=179 * GIB))
    assert (error.exit_code, error.code) == (ExitCode.RESOURCES_MISSING, "SCRATCH_TOO_SMALL")
    assert "179.0 GiB free" in error.message
    run_checks(make_plan(method="lora"), replace(V100, scratch_free_bytes=1 * GIB))


@pytest.mark.parametrize(
    ("found", "gpus", "nodes", "gib"),
    [
        # 4 bytes a weight and 12 of the optimizer's, twice.
        (V100, 8, 1, 32),
        # The main node's 4, and a quarter of 12.
        (V100, 8, 4, 14),
        # 12, all of them the main node's.
        (CPU, 0, 1, 24),
        (CPU, 0, 4, 24),
    ],
    ids=["gpus", "gpus-of-four-nodes", "cpu", "cpus-of-four-nodes"],
)
def test_main_node_has_room_for_what_it_alone_writes(make_plan, found, gpus, nodes, gib):
    plan = make_plan(gpus=gpus, parameters=2**30)
    enough = replace(found, nodes=nodes, scratch_free_bytes=gib * GIB)
    assert f"{gib}.0 are needed (model 0.0, rows 0.0, checkpoints {gib}.0)" in check_scratch(plan, enough)
    with pytest.raises(TrainerError, match=f"{gib - 1}.0 GiB free, {gib}.0 are needed"):
        check_scratch(plan, replace(enough, scratch_free_bytes=(gib - 1) * GIB))


def test_fetched_model_is_counted_too(make_run):
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    found = replace(CPU, scratch_free_bytes=10_000)
    assert refused(run.plan, found).code == "SCRATCH_TOO_SMALL"


def test_shared_memory_too_small_for_several_gpus_is_refused(make_plan):
    small = replace(V100, shared_memory_bytes=64 * 2**20)
    error = refused(make_plan(), small)
    assert (error.exit_code, error.code) == (ExitCode.RESOURCES_MISSING, "SHARED_MEMORY_TOO_SMALL")
    assert "64 MiB free" in error.message
    run_checks(make_plan(gpus=1, method="lora"), small)


def test_folder_that_cannot_be_written_is_refused(make_plan, tmp_path):
    plan = make_plan(gpus=0)
    Path(plan.model_uri).parent.parent.mkdir(parents=True, exist_ok=True)
    Path(plan.model_uri).parent.write_text("a file where a folder should be")
    error = refused(plan, CPU)
    assert (error.exit_code, error.code) == (ExitCode.STORAGE_DENIED, "STORAGE_DENIED")
    assert plan.model_uri.rstrip("/") in error.message


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("AccessDenied", ExitCode.STORAGE_DENIED),
        ("403", ExitCode.STORAGE_DENIED),
        ("NoSuchBucket", ExitCode.STORAGE_DENIED),
        ("KMS.DisabledException", ExitCode.STORAGE_DENIED),
        ("SlowDown", ExitCode.STORAGE),
        ("InternalError", ExitCode.STORAGE),
    ],
)
def test_refusal_of_s3_is_told_from_its_failure_in_every_step(code, exit_code):
    error = ClientError({"Error": {"Code": code, "Message": "m"}}, "PutObject")
    assert as_trainer_error(error).exit_code == exit_code


def test_preflight_comes_before_anything_is_fetched(make_run, capsys):
    run = make_run(training={"precision": "fp16"})
    run.step("prepare")
    assert run.step("train") == ExitCode.PRECISION_UNSUPPORTED
    assert not (run.folder / "profile").exists() and not (run.folder / "metrics.json").exists()
    assert os.listdir(run.root / "scratch") == []


@pytest.mark.parametrize(
    ("driver", "code", "said"),
    [
        ("440.33.01", "DRIVER_MISMATCH", "The NVIDIA driver is 440.33.01"),
        ("535.183.01", "GPUS_MISSING", "can use 0 (the driver shows 8)"),
    ],
)
def test_train_step_reads_the_driver_and_refuses(make_run, tmp_path, driver, code, said):
    run = make_run()
    run.content["recipe"]["resources"]["gpus"] = 8
    run.write()
    done = run_with(
        build_fake_nvml(tmp_path),
        ["-m", "roslin_trainer", "train"],
        ROSLIN_PLAN_URI=str(run.plan_path),
        ROSLIN_SCRATCH_DIR=str(tmp_path / "scratch"),
        FAKE_NVML_DRIVER=driver,
    )
    error = run.json("error.json")
    assert (error["code"], error["exitCode"]) == (code, done.returncode)
    assert said in error["message"] and said in done.stdout
