"""The same folder on the local disk and on S3 (the emulator's, on a loopback port)."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from roslin_trainer import manifest, s3_download, storage
from roslin_trainer.checkpoint import CheckpointStore
from roslin_trainer.checkpoint_parts import Parts
from roslin_trainer.host import LOWEST_PRIORITY, MIB
from roslin_trainer.manifest import (
    DamagedFolder,
    commit_folder,
    describe,
    fetch_folder,
    read_manifest,
    upload_folder,
)
from roslin_trainer.storage import LocalFolder, S3Folder, open_folder, read_file, s3_client

BUCKET = "b1b"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    pytest.importorskip("ministack", reason="the emulator is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "PERSIST_STATE": "0"}
    log = (tmp_path_factory.mktemp("ministack") / "log").open("w")
    process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(url)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def wait_until_up(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=1)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    if request.param == "local":
        yield LocalFolder(tmp_path / "folder")
        return
    request.getfixturevalue("s3")
    yield open_folder(f"s3://{BUCKET}/runs/{request.node.name}/")


@pytest.fixture
def s3(endpoint, monkeypatch):
    """The trainer's client is of the emulator, which has a bucket."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3_client.cache_clear()
    s3_client().create_bucket(Bucket=BUCKET)
    yield
    s3_client.cache_clear()


def test_write_read_list_delete(folder):
    assert folder.read("a.json") is None and folder.paths() == []
    folder.write("a.json", b"1")
    folder.write("a.json", b"2")
    folder.child("deep/er").write("b.txt", b"3")
    assert folder.paths() == ["a.json", "deep/er/b.txt"]
    assert folder.read("a.json") == b"2" and folder.read("deep/er/b.txt") == b"3"
    folder.delete(["a.json", "never-there"])
    assert folder.paths() == ["deep/er/b.txt"]


def test_large_file_comes_back_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(storage.UPLOAD, "multipart_threshold", 5 * MIB)
    monkeypatch.setattr(storage.UPLOAD, "multipart_chunksize", 5 * MIB)
    monkeypatch.setattr(s3_download, "PART_BYTES", 3 * MIB)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(11 * MIB))
    folder.upload(source, "weights/model.bin")
    folder.download("weights/model.bin", target)
    assert target.read_bytes() == source.read_bytes()


def test_manifest_comes_last_and_guards_the_files(folder, tmp_path):
    source = tmp_path / "source"
    (source / "state").mkdir(parents=True)
    (source / "weights").write_bytes(b"w" * 1000)
    (source / "state" / "optimizer").write_bytes(b"o")
    assert read_manifest(folder) is None
    manifest = commit_folder(source, folder, "checkpoint", 1)
    assert read_manifest(folder) == manifest
    fetched = fetch_folder(folder, manifest, tmp_path / "fetched", lambda path: path == "weights")
    assert [path.name for path in fetched.iterdir()] == ["weights"]
    folder.write("weights", b"x" * 1000)
    with pytest.raises(DamagedFolder, match="weights"):
        fetch_folder(folder, manifest, tmp_path / "again")
    folder.delete(["weights"])
    with pytest.raises(DamagedFolder, match="weights"):
        fetch_folder(folder, manifest, tmp_path / "gone")


def commit(store: CheckpointStore, root: Path, name: str, step: int, epoch: float) -> None:
    local = root / name
    (local / "state").mkdir(parents=True)
    (local / "weights").write_bytes(name.encode())
    (local / "state" / "torch.pt").write_bytes(b"o")
    store.commit(local, name, step, epoch, Parts(node_count=1, attempt=1))


def test_a_checkpoint_that_lacks_a_file_is_left_aside(folder, tmp_path):
    store = CheckpointStore(folder, frozenset((1, 2)))
    commit(store, tmp_path, "epoch-0001", step=2, epoch=1)
    commit(store, tmp_path, "epoch-0002", step=4, epoch=2)
    folder.delete(["checkpoints/epoch-0002/state/torch.pt"])
    fetched = store.fetch_newest(tmp_path / "fetched")
    assert (fetched / "weights").read_bytes() == b"epoch-0001"
    assert b"state/torch.pt" in folder.read("checkpoints/epoch-0002/damaged")
    assert [checkpoint.name for checkpoint in store.complete()] == ["epoch-0001"]


def left_in(folder) -> list[str]:
    return sorted({path.split("/")[0] for path in folder.child("checkpoints").paths()})


def test_a_checkpoint_takes_away_older_ones_that_are_half_uploaded_or_damaged(folder, tmp_path):
    store, checkpoints = CheckpointStore(folder, frozenset((3,))), folder.child("checkpoints")
    commit(store, tmp_path, "step-000002", step=2, epoch=1)
    checkpoints.write("step-000002/damaged", b"weights is not the file its manifest names")
    checkpoints.write("step-000003/state/torch.pt", b"half")
    checkpoints.write("step-000003/parts/node-0001.json", b"{}")
    checkpoints.write("epoch-0001/weights", b"half")
    commit(store, tmp_path, "epoch-0002", step=4, epoch=2)
    assert left_in(folder) == ["epoch-0002"]


def test_what_is_not_older_or_wanted_or_no_checkpoint_stays_though_it_is_not_complete(folder, tmp_path):
    store, checkpoints = CheckpointStore(folder, frozenset((1,))), folder.child("checkpoints")
    # Another node may be at the next one already; the epoch that is kept may be on its way once more.
    unfinished = ["step-000005", "epoch-0003", "epoch-0001", "notes", "step-000001.old"]
    for name in unfinished:
        checkpoints.write(f"{name}/weights", b"half")
    checkpoints.write("step-000006/damaged", b"")
    commit(store, tmp_path, "epoch-0002", step=4, epoch=2)
    assert left_in(folder) == sorted([*unfinished, "step-000006", "epoch-0002"])


def test_a_removal_that_breaks_off_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    folder = LocalFolder(tmp_path / "run")
    store, deleted, delete = CheckpointStore(folder, frozenset()), [], LocalFolder.delete
    commit(store, tmp_path, "step-000002", step=2, epoch=1)
    folder.write("checkpoints/step-000002/damaged", b"")
    monkeypatch.setattr(
        LocalFolder, "delete", lambda self, paths: (deleted.extend(paths), delete(self, paths))
    )
    commit(store, tmp_path, "step-000003", step=3, epoch=1.5)
    of_damaged = [path for path in deleted if path.startswith("step-000002/")]
    assert of_damaged[0] == "step-000002/manifest.json" and of_damaged[-1] == "step-000002/damaged"
    assert len(of_damaged) == 4


def test_a_file_that_is_replaced_while_it_comes_is_not_the_one_that_was_there(s3, tmp_path, monkeypatch):
    folder = open_folder(f"s3://{BUCKET}/replaced/")
    folder.write("weights", b"w")

    def replaced(*_):
        raise ClientError({"Error": {"Code": "412"}}, "GetObject")

    monkeypatch.setattr(s3_download.S3Downloads, "_read_part", replaced)
    with pytest.raises(FileNotFoundError, match="replaced/weights"):
        folder.download("weights", tmp_path / "weights")


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
def test_an_upload_gives_way_to_training(s3, tmp_path, monkeypatch):
    (tmp_path / "weights").write_bytes(b"w" * 1000)
    priorities = {}

    def note_priority(work):
        priorities[work] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def noted_describe(path, local):
        note_priority("hash")
        return describe(path, local)

    s3_client().meta.events.register("before-send.s3.PutObject", lambda **_: note_priority("send"))
    monkeypatch.setattr(manifest, "describe", noted_describe)
    note_priority("train")
    upload_folder(tmp_path, open_folder(f"s3://{BUCKET}/gives-way/"))
    assert priorities["hash"] == priorities["send"] == LOWEST_PRIORITY > priorities["train"]
    note_priority("train afterwards")
    assert priorities["train afterwards"] == priorities["train"]


def test_file_by_uri(folder):
    folder.write("plan.json", b"{}")
    uri = folder.uri.rstrip("/") + "/plan.json"
    assert read_file(uri) == b"{}" and read_file(uri + "x") is None


def test_uris_and_paths(tmp_path):
    assert open_folder(f"file://{tmp_path}/a%20b").root == tmp_path / "a b"
    assert open_folder(str(tmp_path)).root == tmp_path
    bucket = open_folder("s3://bucket")
    assert isinstance(bucket, S3Folder) and bucket.prefix == "" and bucket.child("x").uri == "s3://bucket/x/"


def test_whole_run_on_s3(s3, make_run):
    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    client.create_bucket(Bucket="whole")
    run = make_run(training={"epochs": 1, "method": "lora"})
    bucket = "s3://whole"
    client.upload_file(run.content["dataset"]["uri"], "whole", "uploads/data.json")
    run.content["dataset"]["uri"] = f"{bucket}/uploads/data.json"
    run.content["baseModel"]["mirrorUri"] = f"{bucket}/base-models/key/"
    run.content |= {
        "preparedUri": f"{bucket}/prepared/key/",
        "runUri": f"{bucket}/runs/01TEST/",
        "modelUri": f"{bucket}/models/test/01TEST/",
    }
    run.write()
    assert [run.step(step) for step in ("prepare", "train", "evaluate")] == [0, 0, 0]
    assert {"evaluation.json", "metrics.json", "checkpoints/epoch-0001/manifest.json"} <= set(
        open_folder(f"{bucket}/runs/01TEST/").paths()
    )
    assert "model.safetensors" in open_folder(f"{bucket}/models/test/01TEST/").paths()


def test_nodes_on_one_machine_probe_the_same_folder_at_once(tmp_path):
    folder = LocalFolder(tmp_path / "run")
    with ThreadPoolExecutor(8) as nodes:
        list(nodes.map(lambda _: folder.probe_write(), range(400)))
    assert folder.paths() == []
