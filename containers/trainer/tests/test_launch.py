import json
import os
import signal
import time

import pytest

from roslin_trainer import launch
from roslin_trainer.errors import TrainerError, interrupted
from roslin_trainer.rank import Inputs


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


def test_each_rank_is_told_once(inputs, monkeypatch):
    sent = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    told = set()
    inputs.pid_file(0).write_text("11")
    inputs.pid_file(1).write_text("")
    launch._tell_new_ranks(inputs, told)
    inputs.pid_file(1).write_text("12")
    launch._tell_new_ranks(inputs, told)
    assert sent == [(11, signal.SIGTERM), (12, signal.SIGTERM)]
