"""MiniStack's ASGI application with ours around it, and its run from start to orderly end."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app as ministack_app
from ministack.core import lambda_runtime
from ministack.core.router import detect_service

from roslin_emulator import (
    apigateway,
    batch_api,
    cloudformation,
    disk_space,
    lifecycle,
    role_rights,
    sorted_queries,
    stepfunctions,
    workarounds,
)
from roslin_emulator.chaos import api as chaos_api
from roslin_emulator.chaos import events as chaos_events
from roslin_emulator.chaos.connections import Connections
from roslin_emulator.chaos.functions import Invocations
from roslin_emulator.chaos.instance_metadata import PATH as METADATA_PATH
from roslin_emulator.chaos.instance_metadata import InstanceMetadata
from roslin_emulator.chaos.requests import RequestChaos, read_body
from roslin_emulator.chaos.state import Chaos
from roslin_emulator.images import Images
from roslin_emulator.jobs import JobRunner
from roslin_emulator.multipart import Uploads
from roslin_emulator.persistence import StateStore
from roslin_emulator.recovery import Recovery
from roslin_emulator.scheduler import PATH as CLOCK_PATH
from roslin_emulator.scheduler import SchedulerClock
from roslin_emulator.settings import ACCOUNT_ID, HOST, REGION, Settings
from roslin_emulator.stats import RequestCounter, memory_mib

logger = logging.getLogger("roslin.server")

# Where API Gateway's APIs answer on one host: CDK's outputs name this path.
TEAM_API_PATH = "/_aws/execute-api/"
READING_METHODS = ("GET", "HEAD", "OPTIONS")

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def _answer(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        # The request's own body may not have been read.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


class Emulator:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._requests = RequestCounter()
        self._recovery = Recovery()
        self._store = StateStore(settings.state_dir, settings.keeps_state)
        self._chaos = Chaos()
        self._metadata = InstanceMetadata()
        self._clock = SchedulerClock()
        images = Images(settings.images_file)
        self._jobs = JobRunner(settings, images, self._chaos, self._metadata, self._store.changed)
        self._stop = asyncio.Event()
        workarounds.install(self._store.changed)
        Uploads().install()
        lifecycle.install()
        sorted_queries.install()
        batch_api.install(self._jobs)
        stepfunctions.install(self._jobs, self._chaos)
        apigateway.install(settings.endpoint)
        cloudformation.install()
        self._clock.install()
        role_rights.install()
        invocations, connections = Invocations(self._chaos), Connections()
        invocations.install()
        connections.install()
        chaos_events.install(self._chaos)
        self._faulty = RequestChaos(self._chaos, invocations, connections)
        self._store.install()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await ministack_app.app(scope, receive, self._completing_startup(send))
        elif scope["type"] == "http" and scope["path"].startswith("/_roslin/"):
            await self._answer_own(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer_request(scope, receive, send)
        else:
            await ministack_app.app(scope, receive, send)

    async def _answer_request(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        service = self._count(scope, headers)
        role_rights.hold(scope, headers)
        workarounds.request_messages.set(receive)
        is_writing = scope["method"] not in READING_METHODS
        to_team_api = scope["path"].startswith(TEAM_API_PATH)
        if scope["method"] in ("PUT", "POST") and (to_team_api or service == "s3"):
            text = headers.get("content-length", "")
            length = int(text) if text.isdigit() else 0
            if message := disk_space.shortage(self._settings.state_dir, length, self._store.size_bytes):
                answer = disk_space.api_problem(message) if to_team_api else disk_space.s3_error(message)
                return await _answer(send, disk_space.STATUS, *answer)
        if is_writing and to_team_api:
            await self._answer_once_saved(scope, receive, send)
        elif to_team_api:
            await ministack_app.app(scope, receive, send)
        else:
            await self._faulty.serve(ministack_app.app, service, scope, headers, receive, send)

    async def _answer_once_saved(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """A run that was accepted is not forgotten, even by kill -9."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        async with self._store.writing():
            await ministack_app.app(scope, receive, keep)
        for message in answer:
            await send(message)

    def _completing_startup(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._recovery.end_unfinished(self._store.saved_buckets(), self._store.saved_at)
            await send(message)

        return sending

    def _count(self, scope: dict[str, Any], headers: dict[str, str]) -> str:
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        service = detect_service(scope["method"], scope["path"], headers, query)
        self._requests.count(service)
        self._store.changed()
        workarounds.takes_large_bodies.set(service == "s3")
        return service

    async def _answer_own(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path.startswith(METADATA_PATH):
            status, text = self._metadata.answer(method, path, _headers(scope))
            return await _answer(send, status, "text/plain", text.encode())
        if path == chaos_api.PATH:
            body, _ = await read_body(receive)
            status, value = chaos_api.answer(self._chaos, method, body)
        elif path == CLOCK_PATH:
            body, _ = await read_body(receive)
            # Calling targets takes threads and their locks: not in the event loop.
            status, value = await asyncio.to_thread(self._clock.answer, method, body)
        elif path == "/_roslin/health":
            status, value = 200, self._health()
        elif path == "/_roslin/stats":
            status, value = 200, self._stats()
        else:
            status, value = 404, {"message": f"no such path: {path}"}
        await _answer(send, status, "application/json", json.dumps(value).encode())

    def _health(self) -> dict[str, Any]:
        return {
            "ready": True,
            "pid": os.getpid(),
            "account": ACCOUNT_ID,
            "region": REGION,
            "jobSlots": self._settings.job_slots,
        }

    def _stats(self) -> dict[str, Any]:
        return {"requests": self._requests.figures(), "jobs": self._jobs.counts(), "memoryMiB": memory_mib()}

    async def run(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        if self._settings.exit_with_parent:
            watch = threading.Thread(target=self._await_parent, args=(loop,), daemon=True)
            watch.start()
        config = Config()
        config.bind = [f"fd://{listener.fileno()}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = 0.5
        config.loglevel = "WARNING"
        stopping = asyncio.Event()
        serving = asyncio.create_task(serve(self, config, shutdown_trigger=stopping.wait))  # type: ignore[arg-type]
        self._store.start()
        beside = asyncio.create_task(self._work_beside())
        waiting = asyncio.create_task(self._stop.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        beside.cancel()
        if not serving.done():
            # The jobs first, with the server still there: a job that is told to stop saves what it has.
            await asyncio.to_thread(self._jobs.close)
            stopping.set()
        await serving
        await asyncio.to_thread(self._store.stop)
        lambda_runtime.reset()

    async def _work_beside(self) -> None:
        """What begins once requests are answered."""
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, self._settings.port)
                break
            except OSError:
                await asyncio.sleep(0.05)
        writer.close()
        await asyncio.to_thread(self._recovery.announce)
        await lifecycle.sweep_from_time_to_time(self._store.changed)

    def _await_parent(self, loop: asyncio.AbstractEventLoop) -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(self._stop.set)
