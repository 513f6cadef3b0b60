"""Uploads in parts: what completing one needs, holds up and leaves."""

import asyncio
import errno
import hashlib
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.services import s3

from roslin_emulator import file_body, multipart
from roslin_emulator.file_body import FileBody, Spool, appended

MIB = 2**20
CONTENTS = [hashlib.shake_128(bytes([number])).digest(2 * MIB) for number in range(3)]
WHOLE = b"".join(CONTENTS)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    multipart.Uploads().install()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the parts are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    s3._buckets["bucket"] = {"created": "now", "objects": {}, "region": None}
    yield tmp_path
    del s3._buckets["bucket"]


def in_file(content: bytes) -> FileBody:
    spool = Spool()
    spool.write(content)
    return spool.finish()


async def ask(method: str, body: Any = b"", key: str = "key", **query: str) -> tuple[int, Any]:
    lists = {name: [value] for name, value in query.items()}
    status, _, answer = await s3.handle_request(method, f"/bucket/{key}", {}, body, lists)
    return status, answer


class Upload:
    """Of three parts."""

    def __init__(self) -> None:
        _, _, answer = s3._create_multipart_upload("bucket", "key", {})
        self.id = answer.decode().partition("<UploadId>")[2].partition("<")[0]
        for number, content in enumerate(CONTENTS, 1):
            query = {"uploadId": [self.id], "partNumber": [str(number)]}
            s3._upload_part("bucket", "key", in_file(content), query, {})

    async def complete(self) -> tuple[int, Any]:
        parts = "".join(f"<Part><PartNumber>{number}</PartNumber></Part>" for number in (1, 2, 3))
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        return await ask("POST", body, uploadId=self.id)


def content_of_object() -> bytes:
    return s3._buckets["bucket"]["objects"]["key"]["body"][:]


def test_the_first_parts_file_takes_up_the_others(folder: Path) -> None:
    parts = [in_file(content) for content in CONTENTS]
    first = parts[0].path
    whole = appended(parts)
    assert whole[:] == WHOLE
    assert [str(path) for path in folder.iterdir()] == [first] == [whole.path]
    del whole
    assert list(folder.iterdir()) == []


def test_what_is_no_parts_own_file_is_left_as_it_is(folder: Path) -> None:
    of_an_object = folder / "object"
    of_an_object.write_bytes(CONTENTS[0])
    whole = appended([FileBody.open(of_an_object), b"in memory", in_file(CONTENTS[1])])
    assert whole[:] == CONTENTS[0] + b"in memory" + CONTENTS[1]
    assert of_an_object.read_bytes() == CONTENTS[0]
    assert {str(path) for path in folder.iterdir()} == {str(of_an_object), whole.path}


def held_up(
    monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Upload], Awaitable[Any]]
) -> tuple[tuple[int, Any], Any]:
    """The answers to CompleteMultipartUpload and to what is asked while its parts are joined."""
    going, go_on = threading.Event(), threading.Event()

    def slowly(parts: list[Any]) -> FileBody:
        going.set()
        go_on.wait(5)
        return appended(parts)

    monkeypatch.setattr(multipart, "appended", slowly)

    async def run() -> tuple[tuple[int, Any], Any]:
        upload = Upload()
        completing = asyncio.create_task(upload.complete())
        await asyncio.to_thread(going.wait, 5)
        asking = asyncio.ensure_future(meanwhile(upload))
        await asyncio.sleep(0.05)
        go_on.set()
        return await completing, await asking

    return asyncio.run(run())


def test_other_requests_are_served_while_parts_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    async def others(_: Upload) -> bool:
        await ask("PUT", b"content", key="other")
        # Nor is the object there before it is whole.
        return (await ask("GET", key="other"))[1] == b"content" and (await ask("GET"))[0] == 404

    (status, _), served_meanwhile = held_up(monkeypatch, others)
    assert (status, served_meanwhile) == (200, True)
    assert content_of_object() == WHOLE


def test_a_second_complete_gets_the_answer_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = held_up(monkeypatch, lambda upload: upload.complete())
    assert first[0] == 200
    assert second == first
    assert content_of_object() == WHOLE


@pytest.mark.parametrize(("method", "query"), [("DELETE", {}), ("GET", {}), ("PUT", {"partNumber": "2"})])
def test_what_comes_after_a_complete_comes_too_late(
    monkeypatch: pytest.MonkeyPatch, method: str, query: dict[str, str]
) -> None:
    first, second = held_up(monkeypatch, lambda upload: ask(method, uploadId=upload.id, **query))
    assert first[0] == 200
    assert (second[0], b"NoSuchUpload" in second[1]) == (404, True)
    assert content_of_object() == WHOLE


def test_an_upload_is_completed_though_its_client_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[int, Any]:
        upload = Upload()
        completing = asyncio.create_task(upload.complete())
        await asyncio.sleep(0)
        completing.cancel()
        return await upload.complete()

    status, _ = asyncio.run(run())
    assert status == 200
    assert content_of_object() == WHOLE


def test_an_upload_that_does_not_fit_is_refused_and_can_be_completed_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        upload = Upload()
        with monkeypatch.context() as patch:
            patch.setattr(multipart, "shortage", lambda *_: "full")
            status, answer = await upload.complete()
        assert (status, b"InsufficientStorage" in answer) == (507, True)
        assert (await upload.complete())[0] == 200

    asyncio.run(run())
    assert content_of_object() == WHOLE


def test_an_upload_that_fails_half_way_is_called_off_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        """With room for one part more."""

        def __init__(self, path: str, mode: str) -> None:
            self.file, self.room = open(path, mode), 1

        def __enter__(self) -> "FullDisk":
            return self

        def __exit__(self, *_: Any) -> None:
            self.file.close()

        def write(self, data: Any) -> None:
            self.room -= 1
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.file.write(data)

    async def run() -> None:
        upload = Upload()
        with monkeypatch.context() as patch:
            patch.setattr(file_body, "open", FullDisk, raising=False)
            status, answer = await upload.complete()
        assert (status, b"begin it anew" in answer) == (507, True)
        assert (await upload.complete())[0] == 404

    asyncio.run(run())
    assert list(folder.iterdir()) == []
    assert "key" not in s3._buckets["bucket"]["objects"]
