import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import child_environment

from roslin_trainer import launch
from roslin_trainer.errors import TrainerError, interrupted
from roslin_trainer.nodes import Nodes, Place, read_nodes, read_place
from roslin_trainer.rank import Inputs
from roslin_trainer.signals import StopNotice, StopSignal


@pytest.fixture
def inputs(tmp_path):
    inputs = Inputs(tmp_path)
    inputs.ranks.mkdir()
    return inputs


def test_first_error_of_the_ranks_is_the_cause(inputs):
    for rank, code in ((1, "TRAINING_DIVERGED"), (0, "INTERNAL")):
        error = {"step": "train", "exitCode": 23, "code": code, "message": "m", "nextStep": "n"}
        inputs.error_file(rank).write_text(json.dumps(error))
        time.sleep(0.01)
    with pytest.raises(TrainerError) as raised:
        launch._raise_first_error(inputs, return_code=1)
    assert (raised.value.code, raised.value.exit_code) == ("TRAINING_DIVERGED", 23)


def test_ranks_that_vanish_are_an_error(inputs):
    with pytest.raises(RuntimeError, match="code 1"):
        launch._raise_first_error(inputs, return_code=1)
    launch._raise_first_error(inputs, return_code=0)


def test_interruption_is_kept_when_torchrun_ends_well(inputs):
    inputs.error_file(0).write_text(json.dumps(interrupted().to_json("train")))
    with pytest.raises(TrainerError) as raised:
        launch._raise_first_error(inputs, return_code=0)
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


BATCH = {"AWS_BATCH_JOB_NUM_NODES": "3", "AWS_BATCH_JOB_MAIN_NODE_INDEX": "1"}


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
