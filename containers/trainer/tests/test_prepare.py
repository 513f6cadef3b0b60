import hashlib
import json

import pytest
from conftest import ROWS

from roslin_trainer import mirror
from roslin_trainer.tokens import load_rows


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
        "train.safetensors",
    ]
    statistics = json.loads((run.root / "prepared/key/statistics.json").read_text())
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
    statistics = json.loads((run.root / "prepared/key/statistics.json").read_text())
    assert statistics["rowsWithoutResponse"] == 1 and statistics["truncatedRows"] == 1


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
