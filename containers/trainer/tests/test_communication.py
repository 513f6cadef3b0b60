"""The ranks' roll-call, for real: two processes over gloo."""

import json
import os
import time
from functools import partial

import pytest
import torch
import torch.distributed as distributed
from conftest import Child

from roslin_trainer.errors import TrainerError
from roslin_trainer.preflight import communication
from roslin_trainer.preflight.communication import _all_reduce, check_communication, end_communication


def rank(behaviour: str, deadline_seconds: float) -> int:
    def initialise():
        if behaviour == "stuck":
            time.sleep(60)
        if behaviour == "broken":
            raise RuntimeError("Connection reset by peer")
        distributed.init_process_group("gloo")

    try:
        check_communication(initialise, deadline_seconds)
        end_communication()
    except TrainerError as error:
        print(json.dumps(error.to_json("train")), flush=True)
        os._exit(error.exit_code)
    return 0


@pytest.fixture
def run_ranks(tmp_path):
    """`run_ranks("works", "stuck")`: two ranks as torchrun starts them; `absent` is not started at all."""
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    children: dict[int, Child] = {}

    def run(*behaviours: str, deadline_seconds: float) -> dict[int, tuple[int, list[str]]]:
        for number, behaviour in enumerate(behaviours):
            if behaviour == "absent":
                continue
            children[number] = Child(
                tmp_path / f"{number}.log",
                partial(rank, behaviour, deadline_seconds),
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=str(store.port),
                TORCHELASTIC_USE_AGENT_STORE="True",
                TORCHELASTIC_RESTART_COUNT="0",
                RANK=str(number),
                LOCAL_RANK=str(number),
                WORLD_SIZE=str(len(behaviours)),
            )
        return {
            number: (child.end(60), child.log.read_text().splitlines()) for number, child in children.items()
        }

    yield run
    for child in children.values():
        child.end(0)


def test_ranks_that_reach_each_other_pass_and_tell_their_bandwidth(run_ranks):
    ended = run_ranks("works", "works", deadline_seconds=30)
    assert [code for code, _ in ended.values()] == [0, 0]
    said = [[line for line in lines if line.startswith("preflight")] for _, lines in ended.values()]
    # Rank 0 speaks for all.
    assert [len(lines) for lines in said] == [1, 0]
    assert said[0][0].startswith("preflight communication: 2 ranks add up 4 MiB in ")
    assert said[0][0].endswith("GB/s bus bandwidth, gloo): ok")


def test_rank_that_never_answers_is_named(run_ranks):
    ended = run_ranks("works", "absent", deadline_seconds=4)
    code, lines = ended[0]
    error = json.loads(lines[-1])
    assert code == error["exitCode"] == 37
    assert error["code"] == "COMMUNICATION_FAILED"
    assert error["message"] == "Of 2 ranks, 1 did not answer within 4 s."


def test_ranks_that_are_there_but_cannot_add_up_are_told_apart_from_absent_ones(run_ranks):
    ended = run_ranks("works", "stuck", deadline_seconds=6)
    messages = {rank: json.loads(lines[-1])["message"] for rank, (_, lines) in ended.items()}
    assert [code for code, _ in ended.values()] == [37, 37]
    assert messages[1].startswith("All 2 ranks are there, but 0, 1 could not add up a number")


def test_connection_that_breaks_is_a_failure_of_communication(run_ranks):
    ended = run_ranks("broken", deadline_seconds=30)
    error = json.loads(ended[0][1][-1])
    assert (ended[0][0], error["code"]) == (37, "COMMUNICATION_FAILED")
    assert error["message"] == "Connection reset by peer"


def test_wrong_sum_is_no_success(monkeypatch):
    monkeypatch.setattr(communication.distributed, "all_reduce", lambda values: values.add_(1))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Exception, match="Rank 1 was told that the ranks add up to 3.0 to 3.0; it is 10.0"):
        _all_reduce(rank=1, world_size=4)
