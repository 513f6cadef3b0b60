"""The emulator's state on disk: a set of files that changes as a whole, so that kill -9 leaves no half of it.

`state.json` names one file per service. A snapshot writes the services that changed under new names, then
replaces `state.json`; what it no longer names is removed. (Bodies of S3 objects are files of their own, which
MiniStack writes when they are put.)

Services are copied one after the other while others go on writing. Two rules keep the set from telling a lie:
no writing request to a team's API is under way meanwhile (`writing`), and DynamoDB is copied last, so that a
table knows at least what the executions beside it have written. Of DynamoDB's own writes, transactions too,
each is in the copy or is not: it is made in the event loop, where they run.
"""

import asyncio
import copy
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from ministack import app as ministack_app
from ministack.core import persistence as upstream
from ministack.services import dynamodb

from roslin_emulator.workarounds import replace, replace_source

logger = logging.getLogger("roslin.persistence")

INTERVAL_SECONDS = 1.0
# After a snapshot, rest for this many times its processor time: a large state costs a few percent of a core.
REST_FACTOR = 20
LONGEST_REST_SECONDS = 10.0
TRIES = 100
LAST_COPIED = "dynamodb"
GATE_POLL_SECONDS = 0.005
UNFINISHED = ".tmp"


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(UNFINISHED)
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _still(table: dict[str, Any]) -> dict[str, Any]:
    """A table that stands still: an item is replaced by a write, never changed."""
    rest = {name: value for name, value in table.items() if name not in ("items", dynamodb._INDEX_MEMBERS)}
    return {**copy.deepcopy(rest), "items": {key: dict(items) for key, items in table["items"].items()}}


def _copy_tables_at_once() -> None:
    """Each item was copied to its depth, in a thread: for seconds, with half of a transaction or, while new
    partitions came, with no end."""
    dynamodb._roslin_still = _still
    deep = "copy.deepcopy(\n            {k: v for k, v in table.items() if k != _INDEX_MEMBERS})"
    replace_source(dynamodb, "get_state", {deep: "_roslin_still(table)"})


class Gate:
    """Keeps writers and copies apart. Writers live in the event loop, copies in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writers = 0
        self._copies = 0

    async def enter(self) -> None:
        while not self._has_entered():
            await asyncio.sleep(GATE_POLL_SECONDS)

    def leave(self) -> None:
        with self._lock:
            self._writers -= 1

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Lets no writer in, and begins when those inside have left."""
        with self._lock:
            self._copies += 1
        try:
            while self._writers > 0:
                time.sleep(GATE_POLL_SECONDS)
            yield
        finally:
            with self._lock:
                self._copies -= 1

    def _has_entered(self) -> bool:
        with self._lock:
            if self._copies > 0:
                return False
            self._writers += 1
            return True


class StateStore:
    def __init__(self, directory: Path, keeps: bool = True) -> None:
        self._directory = directory / "services"
        self._keeps = keeps
        self._index = self._directory / "state.json"
        self._lock = threading.Lock()
        self._digests: dict[str, str] = {}
        self._changes = 0
        self._saved = 0
        self._stopped = threading.Event()
        self._gate = Gate()
        self._saver = ThreadPoolExecutor(1, "save")
        self._loop: asyncio.AbstractEventLoop | None = None
        # What the last snapshot came to; the next is written beside it.
        self.size_bytes = 0

    def install(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._index.exists():
            self._digests = json.loads(self._index.read_text(encoding="utf-8"))
        # What a kill left.
        self._remove_unnamed()
        replace(ministack_app, "load_state", lambda _: self.load)
        _copy_tables_at_once()
        # Upstream's own save at shutdown: file by file, with our jobs' processes already gone.
        replace(ministack_app, "save_all", lambda _: lambda __: None)

    def load(self, service: str) -> Any:
        digest = self._digests.get(service)
        if digest is None:
            return None
        text = self._file(service, digest).read_text(encoding="utf-8")
        return json.loads(text, object_hook=upstream._json_object_hook)

    def saved_buckets(self) -> set[tuple[str, str]]:
        """The account and name of each bucket that the state knows."""
        state = self.load("s3")
        return set(state["buckets_meta"]._data) if state else set()

    @property
    def saved_at(self) -> float:
        """When the loaded state was written, in seconds since the epoch; 0 where there is none."""
        return self._index.stat().st_mtime if self._index.exists() else 0.0

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Around a request that must be on disk, whole, before it is answered."""
        await self._gate.enter()
        try:
            yield
        finally:
            self._gate.leave()
        self.changed()
        await asyncio.get_running_loop().run_in_executor(self._saver, self.save)

    def changed(self) -> None:
        """Something may have changed; called for each request and each event of a job or an execution."""
        self._changes += 1

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._save_from_time_to_time, daemon=True).start()

    def stop(self) -> None:
        """Not in the event loop, which must still run."""
        self._stopped.set()
        self._changes += 1
        self.save()

    def save(self) -> None:
        if not self._keeps:
            return
        with self._lock:
            changes = self._changes
            if changes == self._saved:
                return
            with self._gate.closed():
                copies = self._copies()
            self.size_bytes = sum(map(len, copies.values()))
            try:
                self._write_changed(copies)
            finally:
                # An unfinished snapshot too: on a full disk it would take the room of the next.
                self._remove_unnamed()
            self._saved = changes

    def _write_changed(self, copies: dict[str, bytes]) -> None:
        digests = dict(self._digests)
        for service, data in copies.items():
            digest = hashlib.sha256(data).hexdigest()[:16]
            if digests.get(service) != digest:
                _write(self._file(service, digest), data)
                digests[service] = digest
        if digests != self._digests:
            _write(self._index, json.dumps(digests).encode())
            self._digests = digests

    def _copies(self) -> dict[str, bytes]:
        services = ministack_app._build_persistence_save_dict()
        order = sorted(services, key=lambda service: service == LAST_COPIED)
        copies = {service: self._serialised(service, services[service]) for service in order}
        return {service: data for service, data in copies.items() if data is not None}

    def _file(self, service: str, digest: str) -> Path:
        return self._directory / f"{service}-{digest}.json"

    def _serialised(self, service: str, get_state: Any) -> bytes | None:
        for _ in range(TRIES):
            try:
                state = self._in_loop(get_state) if service == LAST_COPIED else get_state()
                # What a service gives may hold what it goes on with: it can change as it is written out, too.
                return None if state is None else json.dumps(state, default=upstream._json_default).encode()
            except RuntimeError:
                # A store changed while it was copied: executions and jobs write from threads of their own.
                time.sleep(0.01)
        raise RuntimeError(f"the state of {service} never stood still long enough to be saved")

    def _in_loop(self, get: Callable[[], Any]) -> Any:
        async def got() -> Any:
            return get()

        assert self._loop
        return asyncio.run_coroutine_threadsafe(got(), self._loop).result()

    def _remove_unnamed(self) -> None:
        named = {self._file(service, digest) for service, digest in self._digests.items()}
        for path in self._directory.iterdir():
            if path.suffix in (".json", UNFINISHED) and path not in named and path != self._index:
                path.unlink(missing_ok=True)

    def _save_from_time_to_time(self) -> None:
        rest = INTERVAL_SECONDS
        while not self._stopped.wait(rest):
            started = time.thread_time()
            try:
                self.save()
            except Exception:
                logger.exception("cannot save the state")
            rest = REST_FACTOR * (time.thread_time() - started)
            rest = min(max(INTERVAL_SECONDS, rest), LONGEST_REST_SECONDS)
