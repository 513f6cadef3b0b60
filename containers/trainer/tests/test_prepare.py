import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROWS

from roslin_trainer import compat, mirror, prepare
from roslin_trainer.batches import BatchPlan, pad_rows
from roslin_trainer.plan import BaseModel
from roslin_trainer.row_statistics import padding_statistics, row_statistics
from roslin_trainer.tokens import TokenRow, load_rows

# test/core/run-files.test.ts holds the schema to the same.
STATISTICS_FIXTURE = Path(__file__).parents[3] / "test/fixtures/statistics.json"


def shape_of(value):
    """Names and types; of a list its first element's."""
    if isinstance(value, dict):
        return {key: shape_of(inner) for key, inner in value.items()}
    return [shape_of(value[0])] if isinstance(value, list) else type(value)


def test_prepare_writes_model_and_rows(make_run):
    run = make_run()
    assert run.step("prepare") == 0
    assert {"config.json", "model.safetensors", "tokenizer.json", "manifest.json"} <= set(
        run.files("base-models/key")
    )
    assert run.files("prepared/key") == [
        "held-out.safetensors",
        "manifest.json",
        "statistics.json",
        "train-lengths.npy",
        "train.safetensors",
    ]
    statistics = run.json("statistics.json")
    assert shape_of(statistics) == shape_of(json.loads(STATISTICS_FIXTURE.read_text()))
    assert (statistics["trainRows"], statistics["heldOutRows"], statistics["truncatedRows"]) == (20, 2, 0)
    assert statistics["tokens"] > statistics["supervisedTokens"] > 0
    assert len(load_rows(run.root / "prepared/key/train.safetensors")) == 20


def test_manifests_name_what_is_there(make_run):
    run = make_run()
    run.step("prepare")
    for folder in ("base-models/key", "prepared/key"):
        manifest = json.loads((run.root / folder / "manifest.json").read_text())
        assert [file["path"] for file in manifest["files"]] == [
            path for path in run.files(folder) if path != "manifest.json"
        ]
        for file in manifest["files"]:
            content = (run.root / folder / file["path"]).read_bytes()
            assert file["bytes"] == len(content)
            assert file["sha256"] == hashlib.sha256(content).hexdigest()


def test_second_prepare_writes_nothing(make_run):
    run = make_run()
    run.step("prepare")

    def times():
        return {path: (run.root / path).stat().st_mtime_ns for path in run.files(".") if "/key/" in path}

    before = times()
    assert run.step("prepare") == 0
    assert times() == before


def test_same_data_tokenizer_and_settings_are_tokenised_once(make_run, monkeypatch):
    counted = []
    tokenize = prepare.tokenize_row
    monkeypatch.setattr(prepare, "tokenize_row", lambda *given: counted.append(given) or tokenize(*given))
    run = make_run()
    assert run.step("prepare") == 0 and len(counted) == len(ROWS)
    first = run.json("statistics.json")
    # Another run over the same prepared rows, with another batch size.
    (run.folder / "statistics.json").unlink()
    run.content["recipe"]["training"]["batchSizePerGpu"] = 1
    run.write()
    assert run.step("prepare") == 0 and len(counted) == len(ROWS)
    second = run.json("statistics.json")
    assert second.pop("padding")["batchSizePerGpu"] == 1 and first.pop("padding")["batchSizePerGpu"] == 4
    assert second == first


def test_rows_are_the_same_each_time(make_run):
    first, second = make_run(name="a"), make_run(name="b")
    first.step("prepare"), second.step("prepare")
    path = "prepared/key/train.safetensors"
    assert (first.root / path).read_bytes() == (second.root / path).read_bytes()


def test_half_written_rows_are_written_again(make_run):
    run = make_run()
    run.step("prepare")
    (run.root / "prepared/key/manifest.json").unlink()
    (run.root / "prepared/key/train.safetensors").write_bytes(b"half")
    assert run.step("prepare") == 0
    assert len(load_rows(run.root / "prepared/key/train.safetensors")) == 20


def test_rows_without_room_for_a_response_are_left_out(make_run):
    rows = [*ROWS, {"instruction": "long " * 200, "output": "x"}]
    run = make_run(rows=rows)
    assert run.step("prepare") == 0
    statistics = run.json("statistics.json")
    assert statistics["rowsWithoutResponse"] == 1 and statistics["truncatedRows"] == 1


def test_rows_with_a_blank_response_are_left_out_and_move_no_other(make_run):
    blank = {"instruction": "Say nothing.", "output": " "}
    plain, mixed = make_run(name="a"), make_run(name="b", rows=[blank, *ROWS[:5], blank, *ROWS[5:]])
    assert (plain.step("prepare"), mixed.step("prepare")) == (0, 0)
    expected = {**plain.json("statistics.json"), "rowsWithoutResponse": 2}
    assert mixed.json("statistics.json") == expected
    for name in ("train", "held-out"):
        path = f"prepared/key/{name}.safetensors"
        assert (mixed.root / path).read_bytes() == (plain.root / path).read_bytes()


def test_padding_is_what_padded_batches_would_have_had(make_run):
    run = make_run()
    run.step("prepare")
    rows = load_rows(run.root / "prepared/key/train.safetensors")
    batches = BatchPlan([len(row.ids) for row in rows], 4, 1, 1, True, seed=42).steps(0)
    slots = sum(pad_rows([rows[index] for index in batch], 1).input_ids.numel() for batch in batches)
    tokens = sum(len(row.ids) for row in rows)
    assert run.json("statistics.json")["padding"] == {
        "batchSizePerGpu": 4,
        "tokens": tokens,
        "slotsWhenPadded": slots,
        "avoidedShare": round(1 - tokens / slots, 4),
    }
    assert slots > tokens


def test_rows_of_one_length_need_no_padding_but_to_a_multiple_of_eight():
    assert padding_statistics(np.array([16, 16, 16]), 2, seed=1)["avoidedShare"] == 0
    assert padding_statistics(np.array([9, 9, 9]), 2, seed=1)["slotsWhenPadded"] == 48


def test_histogram_counts_each_row_once():
    rows = [TokenRow(np.zeros(tokens, np.int32), np.arange(tokens) >= 3) for tokens in (5, 16, 17, 32, 100)]
    statistics = row_statistics(rows)
    assert [tuple(bin.values()) for bin in statistics["lengthHistogram"]] == [
        (16, 2),
        (32, 2),
        (64, 0),
        (128, 1),
    ]
    assert (statistics["tokens"], statistics["supervisedTokens"]) == (170, 155)


def test_recipes_template_and_format_make_the_rows(make_run, tokenizer):
    talk = [{"role": "user", "content": "Hi {input}"}, {"role": "assistant", "content": "Baa."}]
    run = make_run(rows=[{"messages": talk * 2}, {"messages": talk}])
    run.content["recipe"]["template"] = {
        "prompt": "Q: {instruction}\nA: ",
        "promptWithInput": "",
        "end": "[stop]",
    }
    run.write()
    assert run.step("prepare") == 0
    assert run.json("statistics.json")["format"] == "chat"
    texts = [
        tokenizer.decode(row.ids)
        for name in ("train", "held-out")
        for row in load_rows(run.root / f"prepared/key/{name}.safetensors")
    ]
    once = "Q: Hi {input}\nA: Baa.\n\n[stop]<|end|>"
    assert sorted(texts) == [once, once + once]


def test_format_that_is_not_the_files_is_refused(make_run):
    run = make_run()
    run.content["recipe"]["dataset"]["format"] = "dolly"
    run.write()
    assert run.step("prepare") == 10
    assert "read as dolly, has 22 wrong rows" in run.json("error.json")["message"]


def test_hub_model_is_streamed_without_pickled_weights(make_run, model_folders, monkeypatch):
    from types import SimpleNamespace

    names = [path.name for path in model_folders["llama"].iterdir()]
    listed = [*names, "pytorch_model.bin", "onnx/model.onnx", "README.md"]
    asked = []

    class Hub:
        def model_info(self, repository, revision):
            asked.append((repository, revision))
            return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in listed])

    def download(repository, path, revision, local_dir):
        asked.append((repository, revision))
        (local_dir / path).write_bytes((model_folders["llama"] / path).read_bytes())
        return local_dir / path

    monkeypatch.setattr(mirror, "HfApi", Hub)
    monkeypatch.setattr(mirror, "hf_hub_download", download)
    run = make_run()
    run.content["baseModel"].update(source="hf://owner/name", revision="abc123")
    run.write()
    assert run.step("prepare") == 0
    assert set(run.files("base-models/key")) == {*names, "manifest.json"}
    assert set(asked) == {("owner/name", "abc123")}


@pytest.mark.parametrize(
    ("weights", "others"),
    [
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            ["consolidated.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json"],
        ),
        (["pytorch_model.bin"], ["training_args.bin", "tf_model.h5", "original/consolidated.00.pth"]),
        (["pytorch_model-1-of-1.bin", "pytorch_model.bin.index.json"], ["optimizer.bin"]),
        (["shard_1.safetensors", "shard_2.safetensors"], []),
    ],
)
def test_one_copy_of_the_weights_is_mirrored(tmp_path, weights, others):
    source = tmp_path / "source"
    for path in ("config.json", "model.safetensors.index.json", *weights, *others):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(b"-")
    model = BaseModel(str(source), None, 2048, None, str(tmp_path / "mirror"))
    manifest = mirror.mirror_base_model(model, tmp_path)
    expected = ["config.json", "model.safetensors.index.json", *weights]
    assert [file.path for file in manifest.files] == sorted(expected)


@pytest.mark.parametrize(
    ("change", "code", "exit_code", "said"),
    [
        ({"maxNewTokens": 250}, "PROMPT_TOO_LONG", 10, "evaluation.prompts.0 needs"),
        ({"prompts": [{"instruction": "x " * 300}]}, "PROMPT_TOO_LONG", 10, "reads 256 tokens"),
    ],
)
def test_long_prompt_is_refused_even_when_rows_are_cached(make_run, change, code, exit_code, said):
    run = make_run()
    run.step("prepare")
    run.content["recipe"]["evaluation"].update(change)
    run.write()
    assert run.step("prepare") == exit_code
    error = run.json("error.json")
    assert (error["step"], error["code"], error["exitCode"]) == ("prepare", code, exit_code)
    assert said in error["message"]


def test_model_that_transformers_4_would_misread_is_refused(make_run, model_folders, tmp_path, monkeypatch):
    newer = shutil.copytree(model_folders["llama"], tmp_path / "newer")
    config = json.loads((newer / "config.json").read_text())
    (newer / "config.json").write_text(json.dumps({**config, "transformers_version": "5.20.2"}))
    monkeypatch.setattr(compat, "TRANSFORMERS", (4, 49))
    run = make_run(newer)
    assert run.step("prepare") == 11
    error = run.json("error.json")
    assert error["code"] == "MODEL_UNREADABLE" and "Transformers 5.20.2 wrote it" in error["message"]
    monkeypatch.setattr(compat, "TRANSFORMERS", (5, 20))
    assert run.step("prepare") == 0
