import hashlib
import json
import math

import numpy as np
import pytest
import torch
from conftest import DOLLY, needs_packs
from transformers import AutoModelForCausalLM, AutoTokenizer

from roslin_trainer.checkpoint import CheckpointStore
from roslin_trainer.prepare import TRAIN_ROWS
from roslin_trainer.prompt import prompt_text
from roslin_trainer.tokens import load_rows


def weights(folder) -> dict:
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


@pytest.mark.parametrize("architecture", ["gptj", "neox", "llama"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_training_lowers_the_loss_and_publishes_a_model(make_run, architecture, method):
    run = make_run(architecture, training={"method": method, "learningRate": 1e-2})
    assert run.step("prepare") == run.step("train") == 0
    metrics = run.json("metrics.json")
    assert metrics["lossLast"] < metrics["lossFirst"]
    assert [point["epoch"] for point in metrics["heldOutLoss"]] == [0, 1, 2]
    assert metrics["heldOutLoss"][2]["loss"] < metrics["heldOutLoss"][0]["loss"]
    assert (metrics["step"], metrics["totalSteps"], metrics["epoch"], metrics["etaSeconds"]) == (10, 10, 2, 0)

    model = run.root / "models/test/01TEST"
    manifest = json.loads((model / "manifest.json").read_text())
    assert (manifest["kind"], manifest["epoch"]) == ("model", 2)
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= {
        file["path"] for file in manifest["files"]
    }
    before, after = weights(run.root / "base-models/key"), weights(model)
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert AutoTokenizer.from_pretrained(model)(prompt_text(DOLLY, "x")).input_ids


@pytest.mark.parametrize("method", ["full", "lora"])
def test_bf16_on_a_cpu_trains_nearly_as_fp32_and_its_answers_are_compared(make_run, monkeypatch, method):
    monkeypatch.setattr("roslin_trainer.host.has_bf16", lambda: True)
    in_32, in_16 = (
        make_run(name=precision, training={"method": method, "precision": precision})
        for precision in ("fp32", "bf16")
    )
    for run in (in_32, in_16):
        assert run.step("prepare") == run.step("train") == run.step("evaluate") == 0
    expected, found = (run.json("metrics.json")["series"]["loss"] for run in (in_32, in_16))
    assert found != expected and found == pytest.approx(expected, rel=1e-2)
    before, after = (
        [model["heldOutLoss"] for model in run.json("evaluation.json")["models"]] for run in (in_32, in_16)
    )
    assert after == pytest.approx(before, rel=1e-2)


def test_rows_are_padded_where_transformers_takes_no_attention_of_ours(make_run, monkeypatch, capsys):
    packed, padded = make_run(name="packed"), make_run(name="padded")
    packed.step("prepare"), padded.step("prepare")
    packed.step("train"), capsys.readouterr()
    monkeypatch.setattr("roslin_trainer.attention.AttentionInterface", None)
    assert padded.step("train") == 0
    said = capsys.readouterr().out
    assert "rows are padded, not packed: Transformers" in said and "no attention function of ours" in said
    losses = [run.json("metrics.json")["series"]["loss"] for run in (packed, padded)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    assert max(padded.json("metrics.json")["series"]["paddingFraction"]) > 0


@needs_packs
def test_padding_is_what_was_computed_without_a_token(make_run, monkeypatch):
    packed, padded = make_run(name="packed"), make_run(name="padded")
    assert packed.step("prepare") == packed.step("train") == padded.step("prepare") == 0
    # Although a pack computes what its rows begin with once for all of them.
    found = packed.json("metrics.json")
    assert found["paddingFraction"] == 0 and set(found["series"]["paddingFraction"]) == {0}

    monkeypatch.setattr("roslin_trainer.attention.AttentionInterface", None)
    assert padded.step("train") == 0
    lengths = [len(row.ids) for row in load_rows(padded.root / "prepared/key" / TRAIN_ROWS)]
    first = np.random.RandomState([42, 0]).permutation(lengths)[:4].tolist()
    # Four rows as wide as the longest, in eights.
    slots = 4 * (-(-max(first) // 8) * 8)
    found = padded.json("metrics.json")
    assert found["series"]["paddingFraction"][0] == pytest.approx(1 - sum(first) / slots, rel=1e-5)
    assert 0 < found["paddingFraction"] < 1


def test_adapters_are_small_and_leave_the_rest_alone(make_run):
    run = make_run(training={"method": "lora"})
    run.step("prepare"), run.step("train")
    files = set(run.files("runs/01TEST/checkpoints/epoch-0002"))
    assert files == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
        "state/position.json",
        "state/torch.pt",
    }
    before, after = weights(run.root / "base-models/key"), weights(run.root / "models/test/01TEST")
    untouched = [name for name in before if "norm" in name or "embed" in name]
    assert untouched and all(torch.equal(before[name], after[name]) for name in untouched)
    config = run.json("checkpoints/epoch-0002/adapter_config.json")
    assert config["base_model_name_or_path"] == run.content["baseModel"]["source"]


def test_checkpoints_of_other_epochs_are_removed(make_run):
    run = make_run(training={"epochs": 4, "keepEpochs": [2, 4], "method": "lora"})
    run.step("prepare"), run.step("train")
    folder = run.folder / "checkpoints"
    complete = sorted(path.parent.name for path in folder.glob("*/manifest.json"))
    assert complete == ["epoch-0002", "epoch-0004"]
    assert {path.split("/")[0] for path in run.files("runs/01TEST/checkpoints")} == set(complete)
    for name in complete:
        manifest = json.loads((folder / name / "manifest.json").read_text())
        assert manifest["kind"] == "checkpoint"
        for file in manifest["files"]:
            content = (folder / name / file["path"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])


def test_train_again_changes_nothing(make_run):
    run = make_run(training={"method": "lora"})
    run.step("prepare"), run.step("train")
    before = run.json("metrics.json")
    model = (run.root / "models/test/01TEST/model.safetensors").stat().st_mtime_ns
    assert run.step("train") == 0
    after = run.json("metrics.json")
    assert after["series"] == before["series"] and after["heldOutLoss"] == before["heldOutLoss"]
    assert (run.root / "models/test/01TEST/model.safetensors").stat().st_mtime_ns == model


def test_model_is_published_from_the_checkpoint_on_the_disk(make_run, monkeypatch):
    def download(*_):
        raise AssertionError("it was uploaded from here a moment ago")

    monkeypatch.setattr("roslin_trainer.publish.fetch_folder", download)
    for method in ("full", "lora"):
        run = make_run(name=method, training={"method": method, "epochs": 3})
        run.step("prepare")
        assert run.step("train") == 0


def test_disk_keeps_the_newest_checkpoint_alone(make_run, monkeypatch):
    """Seen as each upload begins: the next one may be under way by then, the one before is gone."""
    run = make_run(training={"method": "lora", "epochs": 4})
    run.step("prepare")
    original, seen = CheckpointStore.commit, []

    def commit(self, local, *arguments):
        seen.append(sorted(path.name for path in local.parent.iterdir()))
        original(self, local, *arguments)

    monkeypatch.setattr(CheckpointStore, "commit", commit)
    assert run.step("train") == 0
    for epoch, names in enumerate(seen, start=1):
        assert names[0] == f"epoch-{epoch:04}", "none older than the one that is uploaded"
    assert len(seen) == 4


def test_publishing_is_made_up_for(make_run):
    run = make_run(training={"method": "lora"})
    run.step("prepare"), run.step("train")
    model = run.root / "models/test/01TEST"
    before = (model / "model.safetensors").read_bytes()
    (model / "manifest.json").unlink()
    (model / "model.safetensors").write_bytes(b"half")
    assert run.step("train") == 0
    assert (model / "manifest.json").exists() and (model / "model.safetensors").read_bytes() == before


def test_accumulation_equals_a_larger_batch(make_run):
    training = {"method": "lora", "epochs": 1, "batchSizePerGpu": 2, "gradientAccumulationSteps": 3}
    parts = make_run(name="parts", training=training)
    whole = make_run(
        name="whole", training={**training, "batchSizePerGpu": 6, "gradientAccumulationSteps": 1}
    )
    for run in (parts, whole):
        run.step("prepare"), run.step("train")
    losses = [run.json("metrics.json")["series"]["loss"] for run in (parts, whole)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_loss_that_is_no_number_stops_the_run(make_run):
    run = make_run(training={"learningRate": 1e30, "warmupSteps": 0, "schedule": "constant"})
    run.step("prepare")
    assert run.step("train") == 23
    error = run.json("error.json")
    assert error["code"] == "TRAINING_DIVERGED" and "step" in error["message"]
    assert all(math.isfinite(loss) for loss in run.json("metrics.json")["series"]["loss"])
