"""Losses that are no number: a few are left out, a streak ends the run with a good checkpoint."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import child_environment
from safetensors.torch import load_file

from roslin_trainer.bad_steps import BadSteps
from roslin_trainer.engine import TorchEngine

NAN = math.nan


def poison_losses(monkeypatch, calls: range) -> None:
    """The losses of these calls of `accumulate`, and their gradients, are no numbers."""
    original, count = TorchEngine.accumulate, []

    def accumulate(self, *arguments):
        count.append(1)
        loss = original(self, *arguments)
        if len(count) not in calls:
            return loss
        for weight in self._weights:
            weight.grad.fill_(NAN)
        return loss * NAN

    monkeypatch.setattr(TorchEngine, "accumulate", accumulate)


def test_three_bad_losses_in_a_row_are_too_many():
    bad = BadSteps(has_loss_scaling=False)
    losses = [NAN, NAN, 1.0, NAN, math.inf, NAN]
    assert [bad.add(loss, loss) is None for loss in losses] == [True] * 5 + [False]


def test_gradients_alone_may_be_bad_as_seldom():
    bad = BadSteps(has_loss_scaling=False)
    reasons = [bad.add(1.0, math.inf) for _ in range(3)]
    assert reasons == [None, None, "The gradients' norm was inf in 3 steps in a row"]


def test_loss_scaling_may_search_for_its_scale():
    bad = BadSteps(has_loss_scaling=True)
    assert [bad.add(1.0, math.inf) for _ in range(16)] == [None] * 16
    assert bad.add(1.0, 1.0) is None


def test_streak_of_overflows_is_the_end_when_deepspeed_has_no_lower_scale(monkeypatch):
    from deepspeed.runtime.fp16 import loss_scaler

    # Only the first rank logs.
    monkeypatch.setattr(loss_scaler.dist, "get_rank", lambda: 1)
    # As ZeRO makes it.
    settings = {"scale_window": 1000, "min_scale": 1, "consecutive_hysteresis": False, "delayed_shift": 2}
    scaler, bad = loss_scaler.DynamicLossScaler(2**16, **settings), BadSteps(True)
    reasons = []
    while scaler.cur_scale > settings["min_scale"]:
        scaler.update_scale(True)
        reasons.append(bad.add(1.0, math.inf))
    assert [reason is None for reason in reasons] == [True] * 16 + [False]


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_deepspeed_leaves_out_a_step_without_a_number(precision):
    command = [sys.executable, str(Path(__file__).with_name("bad_step.py")), "none", precision]
    environment = child_environment()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["norms"][1] == "inf" and result["norms"][0] == result["norms"][2] != "inf"
    assert result["weights"] == [0.9, 0.9, 0.8]


def test_bad_step_moves_nothing_and_training_goes_on(make_run, monkeypatch, capsys):
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    poison_losses(monkeypatch, range(3, 5))
    assert run.step("train") == 0
    metrics = run.json("metrics.json")
    assert (metrics["step"], metrics["skippedSteps"]) == (10, 2)
    assert metrics["series"]["step"] == [1, 2, 5, 6, 7, 8, 9, 10]
    assert "step 3 moved nothing: loss nan" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["full", "lora"])
def test_streak_of_bad_losses_ends_with_the_last_good_checkpoint(make_run, monkeypatch, method):
    run = make_run(training={"method": method})
    run.step("prepare")
    poison_losses(monkeypatch, range(6, 99))
    assert run.step("train") == 23
    error = run.json("error.json")
    assert error["code"] == "TRAINING_DIVERGED" and "at step 8 of 10" in error["message"]
    assert [path.parent.name for path in run.folder.glob("checkpoints/*/manifest.json")] == ["epoch-0001"]
    (weights,) = run.folder.glob("checkpoints/epoch-0001/*.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in load_file(weights).values())


def test_weights_that_are_no_numbers_are_never_saved(make_run, monkeypatch):
    run = make_run(training={"method": "lora"})
    run.content["recipe"]["dataset"]["heldOutFraction"] = 0
    run.write()
    run.step("prepare")
    original, calls = TorchEngine.update, []

    def update(self, rate):
        norm = original(self, rate)
        calls.append(1)
        if len(calls) == 5:
            with torch.no_grad():
                self._weights[0][0, 0] = NAN
        return norm

    monkeypatch.setattr(TorchEngine, "update", update)
    assert run.step("train") == 23
    assert "A weight is no finite number" in run.json("error.json")["message"]
    assert list(run.folder.glob("checkpoints/*/*")) == []
