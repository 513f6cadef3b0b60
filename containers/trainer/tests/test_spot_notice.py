import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from metadata_service import metadata_service

from roslin_trainer.engine import TorchEngine
from roslin_trainer.instance_metadata import InstanceMetadata
from roslin_trainer.saver import CheckpointSaver
from roslin_trainer.spot_notice import NOTICE, REBALANCE, SpotWatch


@pytest.fixture
def documents(monkeypatch):
    """What a metadata service tells; the trainer of this test asks it, and often."""
    documents = {}
    with metadata_service(documents) as address:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setattr(SpotWatch.__init__, "__defaults__", (0.02,))
        yield documents


def notice_in(seconds: float) -> str:
    ends_at = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return f'{{"action": "terminate", "time": "{ends_at:%Y-%m-%dT%H:%M:%SZ}"}}'


def watch_for(seconds: float) -> list:
    found, came = [], threading.Event()
    with SpotWatch(lambda notice: (found.append(notice), came.set())):
        came.wait(seconds)
    return found


def give_notice_at_step(monkeypatch, documents: dict, step: int, seconds: float) -> None:
    """The notice is there before the step begins, and the step lasts until it has been read."""
    original, steps = TorchEngine.accumulate, []

    def accumulate(self, *arguments):
        steps.append(1)
        if len(steps) == step:
            documents[NOTICE] = notice_in(seconds)
            time.sleep(0.3)
        return original(self, *arguments)

    monkeypatch.setattr(TorchEngine, "accumulate", accumulate)


def test_no_notice_while_there_is_none(documents):
    assert watch_for(0.2) == []


def test_notice_says_how_long_is_left(documents):
    documents[NOTICE] = notice_in(120)
    (notice,) = watch_for(5)
    assert 117 < notice.seconds_left <= 120 and "Spot takes the machine back" in notice.reason


def test_recommendation_to_rebalance_is_said_once_and_stops_nothing(documents, capsys):
    documents[REBALANCE] = '{"noticeTime": "2026-11-24T10:00:00Z"}'
    assert watch_for(0.3) == []
    assert capsys.readouterr().out.count("rebalance recommendation") == 1


def test_token_that_has_run_out_is_renewed(documents, monkeypatch):
    documents[NOTICE] = notice_in(120)
    original = InstanceMetadata.renew_token

    def renew_wrongly_at_first(self):
        original(self)
        if not hasattr(self, "was_wrong"):
            self.was_wrong, self._token = True, "old"

    monkeypatch.setattr(InstanceMetadata, "renew_token", renew_wrongly_at_first)
    assert len(watch_for(5)) == 1


def test_silent_where_there_is_no_service(monkeypatch, capsys):
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    assert watch_for(0.3) == []
    assert capsys.readouterr() == ("", "")


def test_not_asked_where_it_is_disabled(documents, monkeypatch):
    documents[NOTICE] = notice_in(120)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert watch_for(0.3) == []


def test_notice_saves_a_checkpoint_and_interrupts(make_run, monkeypatch, documents):
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    with monkeypatch.context() as patch:
        give_notice_at_step(patch, documents, step=3, seconds=120)
        assert run.step("train") == 20
    error = run.json("error.json")
    assert error["code"] == "INTERRUPTED" and "Spot takes the machine back at" in error["message"]
    assert run.json("checkpoints/step-000003/manifest.json")["epoch"] == pytest.approx(3 / 5)
    documents.clear()
    assert run.step("train") == 0


def test_save_that_would_take_longer_than_is_left_is_not_begun(make_run, monkeypatch, documents, capsys):
    run = make_run(training={"method": "lora"})
    run.step("prepare")
    monkeypatch.setattr(CheckpointSaver, "expected_seconds", 90.0)
    give_notice_at_step(monkeypatch, documents, step=8, seconds=60)
    assert run.step("train") == 20
    assert "no checkpoint of step 8: a save takes about 90 s" in capsys.readouterr().out
    assert [path.parent.name for path in run.folder.glob("checkpoints/*/manifest.json")] == ["epoch-0001"]
