from dataclasses import replace

import pytest

from roslin_trainer.schedule import learning_rate


def test_schedules(make_run):
    training = replace(make_run().plan.training, learning_rate=1.0, warmup_steps=2)
    rates = {
        schedule: [learning_rate(replace(training, schedule=schedule), step, 6) for step in range(6)]
        for schedule in ("constant", "linear", "cosine")
    }
    assert rates["constant"] == [0.5, 1, 1, 1, 1, 1]
    assert rates["linear"] == pytest.approx([0.5, 1, 1, 0.75, 0.5, 0.25])
    assert rates["cosine"] == pytest.approx([0.5, 1, 1, 0.853553, 0.5, 0.146447], abs=1e-5)
