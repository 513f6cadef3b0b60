import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import child_environment

from roslin_trainer import launch, train_step
from roslin_trainer.error_file import find_error, remove_error, write_error
from roslin_trainer.errors import TrainerError, interrupted
from roslin_trainer.exit_codes import ExitCode
from roslin_trainer.inputs import Inputs
from roslin_trainer.nodes import Nodes, Place, read_nodes, read_place
from roslin_trainer.signals import StopNotice, StopSignal


@pytest.fixture
def inputs(tmp_path):
    inputs = Inputs(tmp_path)
    inputs.ranks.mkdir()
    return inputs


def leave_error(inputs: Inputs, rank: int, exit_code: ExitCode, code: str) -> None:
    error = {"step": "train", "exitCode": exit_code, "code": code, "message": "m", "nextStep": "n"}
    inputs.error_file(rank).write_text(json.dumps(error))
    time.sleep(0.01)


def cause(inputs: Inputs, return_code: int) -> str:
    with pytest.raises(TrainerError) as raised:
        launch._raise_cause(inputs, return_code)
    return raised.value.code


def test_first_error_of_the_ranks_is_the_cause(inputs):
    leave_error(inputs, 1, ExitCode.DIVERGED, "TRAINING_DIVERGED")
    leave_error(inputs, 0, ExitCode.DIVERGED, "INTERNAL")
    with pytest.raises(TrainerError) as raised:
        launch._raise_cause(inputs, return_code=1)
    assert (raised.value.code, raised.value.exit_code) == ("TRAINING_DIVERGED", 23)


@pytest.mark.parametrize("symptom", [ExitCode.UNEXPECTED, ExitCode.COMMUNICATION_FAILED, ExitCode.HUNG])
def test_rank_that_only_lost_another_is_not_the_cause(inputs, symptom):
    leave_error(inputs, 0, symptom, "LOST_ITS_PEERS")
    leave_error(inputs, 1, ExitCode.OUT_OF_MEMORY, "OUT_OF_MEMORY")
    leave_error(inputs, 2, symptom, "LOST_ITS_PEERS")
    assert cause(inputs, return_code=1) == "OUT_OF_MEMORY"


@pytest.mark.parametrize("end", [ExitCode.INTERRUPTED, ExitCode.BUDGET_STOPPED, ExitCode.DIVERGED])
def test_upload_that_fails_is_the_cause_where_all_ranks_end_together(inputs, end):
    leave_error(inputs, 1, end, end.name)
    leave_error(inputs, 2, ExitCode.UNEXPECTED, "LOST_ITS_PEERS")
    leave_error(inputs, 0, ExitCode.STORAGE, "STORAGE_UNAVAILABLE")
    assert cause(inputs, return_code=0) == "STORAGE_UNAVAILABLE"


def test_end_of_all_ranks_explains_those_that_lost_another(inputs):
    leave_error(inputs, 1, ExitCode.UNEXPECTED, "LOST_ITS_PEERS")
    leave_error(inputs, 0, ExitCode.INTERRUPTED, "INTERRUPTED")
    assert cause(inputs, return_code=0) == "INTERRUPTED"


def test_among_symptoms_the_first_one_counts(inputs):
    leave_error(inputs, 1, ExitCode.COMMUNICATION_FAILED, "COMMUNICATION_FAILED")
    leave_error(inputs, 0, ExitCode.UNEXPECTED, "INTERNAL")
    assert cause(inputs, return_code=1) == "COMMUNICATION_FAILED"


TWO_NODES = Nodes(count=2, index=0)
BATCH = {"AWS_BATCH_JOB_NUM_NODES": "3", "AWS_BATCH_JOB_MAIN_NODE_INDEX": "1"}


def run_two_nodes(make_run, monkeypatch, own: ExitCode, others: ExitCode | None) -> TrainerError:
    """What a node raises whose ranks ended with `own`, where the other node has left an error of `others`."""
    run = make_run()

    def fail(*_):
        raise TrainerError(own, own.name, "this node's", "n")

    monkeypatch.setattr(train_step, "run_ranks", fail)
    monkeypatch.setattr(train_step.error_of_another_node, "__defaults__", (0.0,))
    if others is not None:
        write_error(str(run.plan_path), "train", TrainerError(others, others.name, "the other node's", "n"))
    with pytest.raises(TrainerError) as raised:
        train_step._run_ranks(8, TWO_NODES, run.plan, str(run.plan_path), None, None)
    return raised.value


def test_node_that_cannot_reach_another_tells_what_that_one_died_of(make_run, monkeypatch):
    error = run_two_nodes(make_run, monkeypatch, ExitCode.COMMUNICATION_FAILED, ExitCode.DRIVER_MISMATCH)
    assert (error.exit_code, error.message) == (ExitCode.DRIVER_MISMATCH, "the other node's")


def test_node_that_nobody_explains_tells_its_own(make_run, monkeypatch):
    error = run_two_nodes(make_run, monkeypatch, ExitCode.COMMUNICATION_FAILED, None)
    assert (error.exit_code, error.message) == (ExitCode.COMMUNICATION_FAILED, "this node's")


def test_node_with_a_cause_of_its_own_keeps_it(make_run, monkeypatch):
    error = run_two_nodes(make_run, monkeypatch, ExitCode.OUT_OF_MEMORY, ExitCode.COMMUNICATION_FAILED)
    assert error.message == "this node's"


def test_node_that_was_stopped_tells_of_another_whose_upload_failed(make_run, monkeypatch):
    error = run_two_nodes(make_run, monkeypatch, ExitCode.INTERRUPTED, ExitCode.STORAGE)
    assert (error.exit_code, error.message) == (ExitCode.STORAGE, "the other node's")


@pytest.mark.parametrize("others", [None, ExitCode.INTERRUPTED, ExitCode.UNEXPECTED])
def test_node_that_was_stopped_says_so_where_others_know_no_more(make_run, monkeypatch, others):
    error = run_two_nodes(make_run, monkeypatch, ExitCode.INTERRUPTED, others)
    assert (error.exit_code, error.message) == (ExitCode.INTERRUPTED, "this node's")


def other_nodes(run, monkeypatch, nodes: Nodes) -> launch.OtherNodes:
    monkeypatch.setattr(launch, "OTHER_NODES_SECONDS", 0.0)
    return launch.OtherNodes(nodes, str(run.plan_path))


def leave_error_of_a_node(run, exit_code: ExitCode) -> None:
    error = TrainerError(exit_code, exit_code.name, "the other node's", "n")
    write_error(str(run.plan_path), "train", error)


def test_main_node_does_not_wait_for_one_that_has_died(make_run, monkeypatch):
    run = make_run()
    others = other_nodes(run, monkeypatch, TWO_NODES)
    assert others.cause() is None
    leave_error_of_a_node(run, ExitCode.DRIVER_MISMATCH)
    error = others.cause()
    assert (error.exit_code, error.message) == (ExitCode.DRIVER_MISMATCH, "the other node's")


@pytest.mark.parametrize(
    "code", [ExitCode.INTERRUPTED, ExitCode.BUDGET_STOPPED, ExitCode.COMMUNICATION_FAILED]
)
def test_main_node_ends_by_itself_where_all_end_or_others_only_miss_it(make_run, monkeypatch, code):
    run = make_run()
    leave_error_of_a_node(run, code)
    assert other_nodes(run, monkeypatch, TWO_NODES).cause() is None


@pytest.mark.parametrize("nodes", [Nodes(), Nodes(count=2, index=1)])
def test_only_the_main_node_looks_after_the_others(make_run, monkeypatch, nodes):
    run = make_run()
    leave_error_of_a_node(run, ExitCode.DRIVER_MISMATCH)
    assert other_nodes(run, monkeypatch, nodes).cause() is None


def test_storage_that_fails_for_a_moment_does_not_end_training(make_run, monkeypatch):
    run = make_run()
    others = other_nodes(run, monkeypatch, TWO_NODES)
    (run.folder / "error.json").write_text("half of it {")
    assert others.cause() is None


def test_main_node_that_comes_late_keeps_what_another_of_its_job_has_died_of(make_run, monkeypatch):
    run = make_run()
    for name, value in {
        **BATCH,
        "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0",
        "AWS_BATCH_JOB_NODE_INDEX": "0",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "earlier#1")
    leave_error_of_a_node(run, ExitCode.OUT_OF_MEMORY)
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "this#0")
    assert find_error(str(run.plan_path)) is None
    remove_error(str(run.plan_path))
    assert not (run.folder / "error.json").exists()
    leave_error_of_a_node(run, ExitCode.DRIVER_MISMATCH)
    remove_error(str(run.plan_path))
    assert find_error(str(run.plan_path)).exit_code == ExitCode.DRIVER_MISMATCH


def test_ranks_that_vanish_are_an_error(inputs):
    with pytest.raises(RuntimeError, match="code 1"):
        launch._raise_cause(inputs, return_code=1)
    launch._raise_cause(inputs, return_code=0)


def test_interruption_is_kept_when_torchrun_ends_well(inputs):
    inputs.error_file(0).write_text(json.dumps(interrupted().to_json("train")))
    with pytest.raises(TrainerError) as raised:
        launch._raise_cause(inputs, return_code=0)
    assert raised.value.exit_code == 20


def test_each_rank_is_told_once_and_why(inputs, monkeypatch):
    sent = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    told = set()
    stop = StopSignal()
    stop.announce(StopNotice("Spot takes the machine back", time.time() + 120))
    inputs.pid_file(0).write_text("11")
    launch._tell_new_ranks(inputs, stop, told)
    inputs.pid_file(1).write_text("12")
    launch._tell_new_ranks(inputs, stop, told)
    assert sent == [(11, signal.SIGTERM), (12, signal.SIGTERM)]
    assert StopSignal(inputs.stop_notice).notice == stop.notice


def test_one_node_needs_no_address():
    assert read_nodes({}) == read_nodes({"AWS_BATCH_JOB_NUM_NODES": "1"}) == Nodes()
    arguments = launch.torchrun_arguments(8, Nodes())
    assert arguments[:2] == ["--standalone", "--nproc-per-node=8"]


def test_main_node_of_batch_is_not_told_its_own_address():
    main = read_nodes({**BATCH, "AWS_BATCH_JOB_NODE_INDEX": "1"})
    assert (main.is_main, main.index, main.count, main.main_address) == (True, 0, 3, "127.0.0.1")


@pytest.mark.parametrize(("batch_index", "index"), [("2", 1), ("0", 2)])
def test_other_nodes_meet_at_the_main_one(monkeypatch, batch_index, index):
    monkeypatch.delenv("MASTER_PORT", raising=False)
    address = {"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "10.0.0.7"}
    nodes = read_nodes({**BATCH, **address, "AWS_BATCH_JOB_NODE_INDEX": batch_index})
    assert launch.torchrun_arguments(8, nodes)[:5] == [
        "--nnodes=3",
        f"--node-rank={index}",
        "--master-addr=10.0.0.7",
        "--master-port=29500",
        "--nproc-per-node=8",
    ]


def test_place_of_a_rank_is_torchruns():
    assert read_place({}) == Place(node=0, node_count=1, is_leader=True)
    torchrun = {"GROUP_RANK": "1", "GROUP_WORLD_SIZE": "2"}
    assert read_place({**torchrun, "LOCAL_RANK": "0"}) == Place(node=1, node_count=2, is_leader=True)
    assert not read_place({**torchrun, "LOCAL_RANK": "3"}).is_leader


def test_a_process_ends_with_the_one_that_started_it():
    child = """
import os, time
from roslin_trainer.parent import end_with_parent
end_with_parent(os.getppid())
print("up", flush=True)
time.sleep(60)
"""
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    command = [sys.executable, "-c", parent, child]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=child_environment())
    assert process.stdout.readline()
    process.kill()
    process.wait()
    # The pipe's other end is closed when the child is gone.
    started = time.monotonic()
    assert process.stdout.read() == "" and time.monotonic() - started < 10
