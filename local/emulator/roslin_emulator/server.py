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

from roslin_emulator import batch_api, cloudformation, stepfunctions, workarounds
from roslin_emulator.images import Images
from roslin_emulator.jobs import JobRunner
from roslin_emulator.persistence import StateStore
from roslin_emulator.recovery import Recovery
from roslin_emulator.settings import ACCOUNT_ID, HOST, REGION, Settings
from roslin_emulator.stats import RequestCounter, memory_mib

logger = logging.getLogger("roslin.server")

# Where API Gateway's APIs answer on one host: CDK's outputs name this path.
TEAM_API_PATH = "/_aws/execute-api/"
READING_METHODS = ("GET", "HEAD", "OPTIONS")

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Emulator:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._requests = RequestCounter()
        self._recovery = Recovery()
        self._store = StateStore(settings.state_dir)
        self._jobs = JobRunner(settings, Images(settings.images_file), self._store.changed)
        self._stop = asyncio.Event()
        workarounds.install(self._store.changed)
        batch_api.install(self._jobs)
        stepfunctions.install(self._jobs)
        cloudformation.install()
        self._store.install()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await ministack_app.app(scope, receive, self._completing_startup(send))
        elif scope["type"] == "http" and scope["path"].startswith("/_roslin/"):
            await self._answer_own(scope["path"], send)
        elif scope["type"] == "http":
            self._count(scope)
            workarounds.request_messages.set(receive)
            if scope["path"].startswith(TEAM_API_PATH) and scope["method"] not in READING_METHODS:
                await self._answer_once_saved(scope, receive, send)
            else:
                await ministack_app.app(scope, receive, send)
        else:
            await ministack_app.app(scope, receive, send)

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

    def _count(self, scope: dict[str, Any]) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        service = detect_service(scope["method"], scope["path"], headers, query)
        self._requests.count(service)
        self._store.changed()
        workarounds.takes_large_bodies.set(service == "s3")

    async def _answer_own(self, path: str, send: Send) -> None:
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "/_roslin/health": self._health,
            "/_roslin/stats": self._stats,
        }
        answer = answers.get(path)
        body = json.dumps(answer() if answer else {"message": f"no such path: {path}"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200 if answer else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body})

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
        announcing = asyncio.create_task(self._announce())
        waiting = asyncio.create_task(self._stop.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        announcing.cancel()
        if not serving.done():
            # The jobs first, with the server still there: a job that is told to stop saves what it has.
            await asyncio.to_thread(self._jobs.close)
            stopping.set()
        await serving
        self._store.stop()
        lambda_runtime.reset()

    async def _announce(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, self._settings.port)
                break
            except OSError:
                await asyncio.sleep(0.05)
        writer.close()
        await asyncio.to_thread(self._recovery.announce)

    def _await_parent(self, loop: asyncio.AbstractEventLoop) -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(self._stop.set)
