"""Requests to AWS's services that fail, and Lambda functions that die while theirs are under way."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from roslin_emulator.chaos import faults
from roslin_emulator.chaos.connections import Connections
from roslin_emulator.chaos.functions import Invocation, Invocations
from roslin_emulator.chaos.rules import FailRequest, KillFunction, RequestFacts
from roslin_emulator.chaos.state import Chaos

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

READING = ("Get", "List", "Head", "Describe", "Query", "Scan", "BatchGet", "TransactGet")
S3_OBJECT = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "POST": "PostObject",
    "DELETE": "DeleteObject",
}
S3_BUCKET = {
    "GET": "ListObjectsV2",
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "POST": "DeleteObjects",
    "DELETE": "DeleteBucket",
}


def s3_operation(method: str, key: str, query: dict[str, list[str]]) -> str:
    if not key:
        return S3_BUCKET[method]
    if "uploadId" in query:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}.get(
            method, "ListParts"
        )
    return "CreateMultipartUpload" if "uploads" in query else S3_OBJECT[method]


def operation(service: str, scope: Message, headers: dict[str, str], key: str, body: bytes) -> str:
    if target := headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if service == "s3":
        return s3_operation(scope["method"], key, query)
    form = parse_qs(body.decode("utf-8", "replace"))
    return (query.get("Action") or form.get("Action") or [scope["path"].rpartition("/")[2]])[0]


class RequestChaos:
    def __init__(self, chaos: Chaos, invocations: Invocations, connections: Connections) -> None:
        self._chaos = chaos
        self._invocations = invocations
        self._connections = connections

    async def serve(
        self,
        app: App,
        service: str,
        scope: Message,
        headers: dict[str, str],
        receive: Receive,
        send: Send,
    ) -> None:
        if not (self._chaos.has(FailRequest) or self._chaos.has(KillFunction)):
            return await app(scope, receive, send)
        body, receive = (b"", receive) if service == "s3" else await read_body(receive)
        _, _, key = scope["path"].lstrip("/").partition("/")
        name = operation(service, scope, headers, key, body)
        text = scope["path"] + body.decode("utf-8", "replace")
        request = RequestFacts(service, name, key if service == "s3" else "", text)
        rule = self._chaos.take(FailRequest, lambda rule: rule.applies_to(request))
        if rule:
            if rule.carried_out:
                await app(scope, receive, _nowhere)
            return await self._fail(rule, scope, send)
        invocation = None if name.startswith(READING) else self._invocations.of_request(headers)
        if invocation:
            return await self._serve_write(app, invocation, scope, receive, send)
        await app(scope, receive, send)

    async def _serve_write(
        self, app: App, invocation: Invocation, scope: Message, receive: Receive, send: Send
    ) -> None:
        if self._invocations.is_killed_before(invocation):
            return
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await app(scope, receive, keep)
        if self._invocations.is_killed_after(invocation):
            return
        for message in answer:
            await send(message)

    async def _fail(self, rule: FailRequest, scope: Message, send: Send) -> None:
        if rule.error == "reset":
            self._connections.reset(scope["client"])
            return
        fault = faults.find(rule.service, rule.error)
        headers, body = faults.render(rule.service, fault)
        # The request's own body may not have been read.
        headers += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _nowhere(_: Message) -> None:
    pass


async def read_body(receive: Receive) -> tuple[bytes, Receive]:
    """The whole body, and a channel on which it can be read again."""
    messages: list[Message] = []
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    body = b"".join(message.get("body", b"") for message in messages)

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return body, again
