"""Several ranks for real, on the CPU: DeepSpeed and PyTorch's own, against PyTorch in one process."""

import gzip
import itertools
import json
import os
import signal
import socket
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch.distributed as distributed
from conftest import ROWS, Child, Run, child_environment

from roslin_trainer import build_engine, host, raw_series
from roslin_trainer.checkpoint import CheckpointStore
from roslin_trainer.compat import TORCH
from roslin_trainer.engine import TorchEngine
from roslin_trainer.errors import TrainerError
from roslin_trainer.inputs import Inputs, fetch_complete
from roslin_trainer.preflight.communication import end_communication
from roslin_trainer.rank import run_rank
from roslin_trainer.signals import StopSignal
from roslin_trainer.storage import open_folder

pytest.importorskip("deepspeed", reason="deepspeed is not installed")
pytestmark = pytest.mark.skipif(
    TORCH < (2, 1), reason="gloo in PyTorch 2.0 has no _allgather_base, which DeepSpeed calls"
)

without_bitsandbytes = pytest.mark.skipif(
    not find_spec("bitsandbytes"), reason="bitsandbytes is not installed (the gpu extra)"
)
# Long enough to be stopped after the first checkpoint and before the end, on any machine.
MANY_EPOCHS = 20
RESUMED_AT_STEP = 8
# 19 of them are trained on: with 6 a step, the last one leaves a rank without any.
FEW_ROWS = ROWS[:21]
# Several packs a rank and step, of rows of about 70 tokens.
SMALL_PACK_TOKENS = 160
ACCUMULATING = {"epochs": 1, "batchSizePerGpu": 2, "gradientAccumulationSteps": 2}
TRAININGS = {
    "data parallel": {"method": "full", "sharding": "auto", "epochs": 2, "batchSizePerGpu": 3},
    "lora": {"method": "lora", "sharding": "zero2", **ACCUMULATING},
    "zero2": {"method": "full", "sharding": "zero2", "epochs": 2, "batchSizePerGpu": 3},
    "bf16": {"method": "full", "epochs": 4, "sharding": "zero3", "precision": "bf16"},
    "bf16, resumed": {"method": "full", "epochs": 4, "sharding": "zero3", "precision": "bf16"},
    "qlora": {"method": "qlora", "sharding": "zero2", **ACCUMULATING},
    "with dropout": {
        "method": "lora",
        "epochs": MANY_EPOCHS,
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.2},
    },
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, model_folders) -> dict[str, Run]:
    """Runs of several kinds, trained one after the other by the same two ranks."""
    runs = {}
    for name, training in TRAININGS.items():
        if training["method"] == "qlora" and not find_spec("bitsandbytes"):
            continue
        runs[name] = Run(tmp_path_factory.mktemp("two"), model_folders["llama"], training, {}, FEW_ROWS)
        runs[name].step("prepare")
        inputs = Inputs(runs[name].root / "scratch")
        fetch_complete(runs[name].plan.base_model.mirror_uri, inputs.base)
        fetch_complete(runs[name].plan.prepared_uri, inputs.rows)
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = [start_rank(rank, store.port, runs) for rank in range(2)]
    assert [rank.end(400) for rank in ranks] == [0, 0], ranks[0].log.read_text()
    return runs


def start_rank(rank: int, port: int, runs: dict[str, Run]) -> Child:
    """One of two ranks of a machine, with what torchrun would tell it."""
    return Child(
        runs["lora"].root / f"rank-{rank}.log",
        partial(train_all, runs),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        TORCHELASTIC_USE_AGENT_STORE="True",
        TORCHELASTIC_RESTART_COUNT="0",
        GLOO_SOCKET_IFNAME="lo",
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        LOCAL_WORLD_SIZE="2",
        GROUP_RANK="0",
        GROUP_WORLD_SIZE="1",
    )


def train_all(runs: dict[str, Run]) -> int:
    # Whatever this machine's processor does in one instruction.
    host.has_bf16 = lambda: True
    # As in a long run: each rank would come to write in the middle of training.
    raw_series.ROWS_IN_MEMORY = 2
    for name, run in runs.items():
        inputs = Inputs(run.root / "scratch")
        if name.endswith("resumed"):
            stop_and_fetch(run, inputs)
            refuse_zero2(run, inputs)
            # By itself it would keep the whole state on each rank, as "data parallel" does.
            set_sharding(run, "auto")
        with pytest.MonkeyPatch.context() as patch:
            if name == "data parallel":
                patch.setattr(TorchEngine, "pack_tokens", SMALL_PACK_TOKENS)
            train_as_rank(run, inputs, StopSignal())
        # They know each other from then on.
        build_engine.check_communication = lambda initialise: None
    end_communication()
    return 0


def train_as_rank(run: Run, inputs: Inputs, stop: StopSignal) -> None:
    run_rank(run.plan, inputs, stop, lambda error: os._exit(22))


def stop_and_fetch(run: Run, inputs: Inputs) -> None:
    """Trains until a step, and fetches the checkpoint of there, as the next job would."""
    from roslin_trainer.deepspeed_engine import DeepSpeedEngine

    stop, step, steps = StopSignal(), DeepSpeedEngine.update, itertools.count(1)

    def step_and_stop(engine, learning_rate: float) -> float:
        # The ranks tell each other in the step after this one.
        stop.requested = next(steps) == RESUMED_AT_STEP - 1
        return step(engine, learning_rate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeepSpeedEngine, "update", step_and_stop)
        with pytest.raises(TrainerError, match="told to stop"):
            train_as_rank(run, inputs, stop)
    if distributed.get_rank() == 0:
        CheckpointStore(open_folder(run.plan.run_uri), run.plan.keep_epochs).fetch_newest(inputs.checkpoint)
    distributed.barrier()


def refuse_zero2(run: Run, inputs: Inputs) -> None:
    set_sharding(run, "zero2")
    with pytest.raises(TrainerError, match="written with sharding zero3, 2 CPU ranks") as raised:
        train_as_rank(run, inputs, StopSignal())
    assert raised.value.code == "CHECKPOINT_LAYOUT_DIFFERS"


def set_sharding(run: Run, kind: str) -> None:
    """The first rank writes the plan, and none reads it meanwhile."""
    distributed.barrier()
    if distributed.get_rank() == 0:
        run.content["recipe"]["training"]["sharding"] = kind
        run.write()
    distributed.barrier()


def train_with_two_ranks(run: Run) -> int:
    """The train step as on a machine with two GPUs, on the CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROSLIN_CPU_RANKS", "2")
        patch.setenv("PYTHONPATH", child_environment()["PYTHONPATH"])
        return run.step("train")


def assert_same_training(found: dict, expected: dict) -> None:
    assert found["worldSize"] == 2
    assert found["series"]["step"] == expected["series"]["step"]
    assert found["series"]["loss"] == pytest.approx(expected["series"]["loss"], abs=1e-4)
    assert found["series"]["gradientNorm"] == pytest.approx(expected["series"]["gradientNorm"], rel=1e-3)
    for ours, theirs in zip(found["heldOutLoss"], expected["heldOutLoss"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)


@pytest.mark.parametrize(
    "name", ["data parallel", "lora", "zero2", pytest.param("qlora", marks=without_bitsandbytes)]
)
def test_two_ranks_train_as_one_process(trained, make_run, name):
    rows_per_step = 2 * TRAININGS[name]["batchSizePerGpu"]
    one = make_run(name="one", training={**TRAININGS[name], "batchSizePerGpu": rows_per_step}, rows=FEW_ROWS)
    one.step("prepare")
    assert one.step("train") == 0
    assert_same_training(trained[name].json("metrics.json"), one.json("metrics.json"))


def test_two_ranks_in_bf16_train_nearly_as_one_process_in_fp32(trained, make_run):
    one = make_run(
        name="one", training={**TRAININGS["bf16"], "precision": "fp32", "batchSizePerGpu": 8}, rows=FEW_ROWS
    )
    one.step("prepare")
    assert one.step("train") == 0
    found, expected = (run.json("metrics.json")["series"]["loss"] for run in (trained["bf16"], one))
    assert found != expected and found == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize("name", ["data parallel", "zero2"])
def test_two_ranks_leave_one_raw_series_with_every_step_once(trained, name):
    with gzip.open(trained[name].folder / "metrics" / "series-0001.jsonl.gz", "rt") as file:
        steps = [json.loads(line)["step"] for line in file]
    assert steps == list(range(1, trained[name].json("metrics.json")["totalSteps"] + 1))


def start_machine(run: Run, name: str, ranks: int, **environment: str) -> Child:
    """A machine with a GPU or two, on the CPU."""
    return run.start(name, ROSLIN_CPU_RANKS=str(ranks), GLOO_SOCKET_IFNAME="lo", **environment)


def rank_processes(run: Run, name: str) -> list[int]:
    return [int(file.read_text()) for file in sorted((run.root / name).glob("*/ranks/*.pid"))]


def wait_for(what, seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """A process that nobody has reaped yet does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def has_checkpoint(run: Run) -> bool:
    return any(run.folder.glob("checkpoints/*/manifest.json"))


def test_two_ranks_in_bf16_resume_bitwise(trained):
    found, expected = (trained[name].json("metrics.json") for name in ("bf16, resumed", "bf16"))
    assert f"resuming at step {RESUMED_AT_STEP}/12" in (trained["lora"].root / "rank-0.log").read_text()
    for column in ("step", "loss", "gradientNorm"):
        assert found["series"][column] == expected["series"][column]
    assert found["heldOutLoss"] == expected["heldOutLoss"]


def test_a_resume_takes_the_sharding_that_wrote_the_checkpoint(trained):
    log = (trained["lora"].root / "rank-0.log").read_text()
    assert "it reads the state of the checkpoint, which zero3 wrote" in log


@pytest.mark.parametrize("name", ["data parallel", "zero2"])
def test_one_process_does_not_go_on_from_the_state_of_two_ranks(trained, name):
    run = trained[name]
    assert run.step("train") == 10
    error = run.json("error.json")
    assert error["code"] == "CHECKPOINT_LAYOUT_DIFFERS"
    assert "2 CPU ranks and precision fp32; this job has sharding none, 1 CPU rank" in error["message"]


def test_killed_supervisor_leaves_no_orphans_and_the_run_resumes_bitwise(trained, make_run):
    run, alone = (
        make_run(name="killed", training=TRAININGS["with dropout"], rows=FEW_ROWS),
        trained["with dropout"],
    )
    run.step("prepare")
    machine = start_machine(run, "machine", ranks=2)
    wait_for(lambda: has_checkpoint(run))
    ranks = rank_processes(run, "machine")
    machine.process.kill()
    machine.process.join()
    wait_for(lambda: not any(is_alive(pid) for pid in ranks), seconds=10)
    assert len(ranks) == 2 and not (run.root / "models/test/01TEST/manifest.json").exists()
    assert train_with_two_ranks(run) == 0
    assert (run.root / "models/test/01TEST/manifest.json").exists()
    found, expected = run.json("metrics.json"), alone.json("metrics.json")
    for column in ("step", "loss", "gradientNorm", "paddingFraction"):
        assert found["series"][column] == expected["series"][column]
    assert found["heldOutLoss"] == expected["heldOutLoss"]


def test_rank_that_stands_still_is_found_and_all_stacks_are_shown(make_run):
    run = make_run(training={"method": "lora", "epochs": 500})
    run.step("prepare")
    machine = start_machine(run, "machine", ranks=2, ROSLIN_HANG_SECONDS="3")
    wait_for(lambda: has_checkpoint(run))
    ranks = rank_processes(run, "machine")
    os.kill(ranks[1], signal.SIGSTOP)
    assert machine.end() == 22
    assert run.json("error.json")["code"] == "HUNG"
    log = machine.log.read_text()
    assert "stacks of rank 0:" in log and "data_parallel_engine.py" in log
    assert "stacks of rank 1:\n(it did not answer)" in log
    assert not any(is_alive(pid) for pid in ranks)


def test_two_nodes_stop_together_resume_and_train_as_one_process(make_run, free_port):
    training = {"method": "full", "batchSizePerGpu": 4, "epochs": MANY_EPOCHS, "sharding": "zero3"}
    run = make_run(name="nodes", training=training)
    one = make_run(name="one", training={**training, "batchSizePerGpu": 8})
    run.step("prepare"), one.step("prepare")
    batch = {"AWS_BATCH_JOB_NUM_NODES": "2", "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0", "MASTER_PORT": free_port}

    def start() -> list[Child]:
        # Batch tells the main node's address to the other one only.
        address = {"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "127.0.0.2"}
        return [
            start_machine(run, "node-0", 1, **batch, AWS_BATCH_JOB_NODE_INDEX="0"),
            start_machine(run, "node-1", 1, **batch, AWS_BATCH_JOB_NODE_INDEX="1", **address),
        ]

    nodes = start()
    wait_for(lambda: has_checkpoint(run))
    nodes[1].process.terminate()
    assert [node.end() for node in nodes] == [20, 20]
    newest = max(run.folder.glob("checkpoints/*/manifest.json"), key=lambda file: file.stat().st_mtime_ns)
    files = {file["path"] for file in json.loads(newest.read_text())["files"]}
    assert {"state/rank-0-torch.pt", "state/rank-1-torch.pt", "state/position.json"} <= files
    assert not (newest.parent / "parts").exists() or not list((newest.parent / "parts").iterdir())

    nodes = start()
    names = ("node-0", "node-1")
    wait_for(lambda: all(rank_processes(run, name) for name in names))
    fetched = [
        {file.name for file in (run.root / name).glob("*/checkpoint/state/*-torch.pt")} for name in names
    ]
    assert fetched == [{"rank-0-torch.pt"}, {"rank-1-torch.pt"}]
    assert [node.end() for node in nodes] == [0, 0]
    assert "resuming at step" in nodes[0].log.read_text()
    assert one.step("train") == 0
    assert_same_training(run.json("metrics.json"), one.json("metrics.json"))
    assert run.step("evaluate") == 0
    expected = one.json("metrics.json")["heldOutLoss"][-1]["loss"]
    assert run.json("evaluation.json")["models"][1]["heldOutLoss"] == pytest.approx(expected, abs=1e-4)


@pytest.fixture
def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])
