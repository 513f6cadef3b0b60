"""Every correction of what MiniStack 1.5.33 gets wrong or lacks, each with its reason.

Patches go through `replace`, which refuses to start when the thing to patch is not there.
"""

import asyncio
import contextlib
import contextvars
import functools
import inspect
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from ministack import app as ministack_app
from ministack.core import lambda_runtime
from ministack.core.responses import AccountRegionScopedDict, json_response, now_iso
from ministack.services import cloudwatch_logs, dynamodb, eventbridge, lambda_svc, s3
from ministack.services import stepfunctions as sfn
from ministack.services.cloudformation import provisioners

from roslin_emulator.file_body import LARGE_BYTES, FileBody, Spool
from roslin_emulator.form_body import is_form, parser
from roslin_emulator.object_files import UNFINISHED, write_file, write_object

logger = logging.getLogger("roslin.workarounds")

Json = dict[str, Any]


class UnsupportedMiniStack(Exception):
    """A part of MiniStack that we patch is not where it was in the pinned version."""


def replace(module: Any, name: str, make: Callable[[Any], Any]) -> None:
    if not hasattr(module, name):
        raise UnsupportedMiniStack(f"MiniStack has no {module.__name__}.{name}")
    setattr(module, name, make(getattr(module, name)))


def replace_source(module: Any, name: str, changes: dict[str, str]) -> None:
    """For a line in the midst of a long function; the new code sees the module's globals."""
    source = inspect.getsource(getattr(module, name))
    for old, new in changes.items():
        if old not in source:
            raise UnsupportedMiniStack(f"MiniStack's {module.__name__}.{name} does not contain {old!r}")
        source = source.replace(old, new)
    exec(compile(source, module.__file__, "exec"), module.__dict__)


def upstream_answer(response: tuple[int, Json, bytes]) -> Json:
    """The body of an in-process call to a MiniStack handler; an error becomes an exception."""
    status, _, body = response
    answer = json.loads(body) if body else {}
    if status >= 400:
        raise ValueError(answer.get("message") or answer.get("Message") or str(answer))
    return answer


# ---------------------------------------------------------------------------------------------------------
# Lambda
# ---------------------------------------------------------------------------------------------------------

ERROR_KEY = "__roslin_function_error"
# Upstream's message when a function's process has gone.
DIED = "Worker process died"


def _keep_lambda_error_names() -> None:
    """A thrown error always came back as Runtime.HandlerError, so no Retry or Catch by name could match; and
    its worker was killed, so the next invocation paid for a cold start. The worker now answers with the error
    as a result of a shape that `_execute_function_warm` recognises. A process that died had that name too."""
    script = lambda_runtime._NODEJS_WORKER_SCRIPT
    for old, name in (
        ('status: "error", error: String(err.message || err), trace: err.stack || ""', "err"),
        ('status: "error", error: e.message, trace: e.stack', "e"),
    ):
        if old not in script or DIED not in inspect.getsource(lambda_runtime.Worker.invoke):
            raise UnsupportedMiniStack("MiniStack's Node worker reports errors in another way")
        # As the Node runtime of Lambda does for an Error, and for anything else that can be thrown.
        error = (
            f"{name} instanceof Error"
            f" ? {{ errorType: {name}.name, errorMessage: {name}.message,"
            f' trace: String({name}.stack || "").split("\\n") }}'
            f" : {{ errorType: typeof {name}, errorMessage: String({name}), trace: [] }}"
        )
        script = script.replace(old, f'status: "ok", result: {{ {ERROR_KEY}: {error} }}')
    # A worker with a timer or a kept-alive socket outlived an emulator that was killed.
    marker = 'rl.on("line", async (line) => {'
    if marker not in script:
        raise UnsupportedMiniStack("MiniStack's Node worker reads its input in another way")
    script = script.replace(marker, f'rl.on("close", () => process.exit(0));\n{marker}')
    lambda_runtime._NODEJS_WORKER_SCRIPT = script

    def make(original: Any) -> Any:
        def execute(func: Json, event: Any, request_id: str) -> Json:
            result = original(func, event, request_id)
            body = result.get("body")
            if not isinstance(body, dict):
                return result
            if result.get("error") and body.get("errorMessage") == DIED:
                reason = f"RequestId: {request_id} Error: Runtime exited without providing a reason"
                return {**result, "body": {"errorType": "Runtime.ExitError", "errorMessage": reason}}
            if ERROR_KEY not in body:
                return result
            error = body[ERROR_KEY]
            log = "\n".join(filter(None, [result.get("log"), f"ERROR\tInvoke Error\t{json.dumps(error)}"]))
            return {"body": error, "error": True, "log": log}

        return execute

    replace(lambda_svc, "_execute_function_warm", make)


SLOT_WAIT_SECONDS = 60


def _queue_lambda_invocations() -> None:
    """At the account's limit MiniStack refuses an invocation. The limit here is a bound on memory, far below
    AWS's 1,000, so an invocation waits for its turn instead."""

    def make(original: Any) -> Any:
        def acquire(func: Json, config: Json) -> tuple[str | None, str | None]:
            deadline = time.monotonic() + SLOT_WAIT_SECONDS
            while True:
                slot, limit = original(func, config)
                if limit != "account" or time.monotonic() > deadline:
                    return slot, limit
                time.sleep(0.01)

        return acquire

    replace(lambda_svc, "_acquire_execution_slot", make)


def _spawn_workers_with_current_code() -> None:
    """An invocation that had waited while its function was updated started a worker with the code from
    before, which then stayed in the pool and served every later call."""

    def make(original: Any) -> Any:
        def acquire(name: str, config: Json, code: bytes, qualifier: str = "$LATEST", **more: Any) -> Any:
            function = lambda_svc._functions.get(name)
            if qualifier == "$LATEST" and function and function.get("code_zip"):
                config, code = function["config"], function["code_zip"]
            return original(name, config, code, qualifier=qualifier, **more)

        return acquire

    replace(lambda_svc, "acquire_worker", make)


def _reap_every_idle_worker() -> None:
    """One worker per function was kept for ever: 45-75 MB each."""

    def make(_: Any) -> Any:
        def reap(ttl: float | None = None) -> int:
            oldest = time.time() - (lambda_runtime._LOCAL_WORKER_TTL if ttl is None else ttl)
            idle = []
            with lambda_runtime._lock:
                for key, workers in list(lambda_runtime._workers.items()):
                    idle += [worker for worker in workers if not worker.in_use and worker.last_used < oldest]
                    lambda_runtime._workers[key] = [worker for worker in workers if worker not in idle]
            lambda_runtime.kill_workers(idle)
            return len(idle)

        return reap

    replace(lambda_runtime, "reap_idle_workers", make)
    replace(lambda_svc, "reap_idle_workers", lambda _: lambda_runtime.reap_idle_workers)


def _let_running_invocations_end() -> None:
    """An update of a function, or a worker of it that could not start, killed all its workers in the midst of
    what they did. On AWS an invocation goes on to its end with the settings that it began with."""

    def make_invalidate(original: Any) -> Any:
        def invalidate(func_name: str, **scope: Any) -> None:
            with lambda_runtime._lock:
                for key, workers in lambda_runtime._workers.items():
                    lambda_runtime._workers[key] = [
                        worker for worker in workers if worker.func_name != func_name or not worker.in_use
                    ]
            original(func_name, **scope)

        return invalidate

    def make_release(original: Any) -> Any:
        def release(worker: Any) -> None:
            original(worker)
            with lambda_runtime._lock:
                is_kept = any(worker in workers for workers in lambda_runtime._workers.values())
            if not is_kept:
                lambda_runtime.kill_workers([worker])

        return release

    def make_invoke(original: Any) -> Any:
        @functools.wraps(original)
        def invoke(worker: Any, *args: Any, **more: Any) -> Json:
            try:
                return original(worker, *args, **more)
            except Exception:
                # Upstream forgets it, as it is, once it has told of the error.
                worker.kill()
                raise

        return invoke

    for name, make in (("invalidate_worker", make_invalidate), ("release_worker", make_release)):
        replace(lambda_runtime, name, make)
        replace(lambda_svc, name, lambda _, name=name: getattr(lambda_runtime, name))
    replace(lambda_runtime.Worker, "invoke", make_invoke)


def _answer_500_for_a_function_that_throws() -> None:
    """An HTTP API answers 500 and tells the caller nothing; upstream answered 502 with the stack trace."""

    def make(original: Any) -> Any:
        def answer(result: Json) -> Any:
            if result.get("error") and not result.get("throttle"):
                body = json.dumps({"message": "Internal Server Error"})
                return {
                    "statusCode": 500,
                    "headers": {"content-type": "application/json"},
                    "body": body,
                }, None
            return original(result)

        return answer

    replace(lambda_svc, "lambda_execute_result_to_api_proxy_response", make)


# ---------------------------------------------------------------------------------------------------------
# EventBridge
# ---------------------------------------------------------------------------------------------------------

KEPT_EVENTS = 200


class _Deliveries:
    """Deliveries with one key run one after the other, those with different keys at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], deque[Callable[[], None]]] = {}

    def add(self, key: tuple[str, str], deliver: Callable[[], None]) -> None:
        with self._lock:
            if key in self._waiting:
                self._waiting[key].append(deliver)
                return
            self._waiting[key] = deque([deliver])
        threading.Thread(target=self._drain, args=(key,), daemon=True).start()

    def _drain(self, key: tuple[str, str]) -> None:
        while True:
            with self._lock:
                if not self._waiting[key]:
                    del self._waiting[key]
                    return
                deliver = self._waiting[key].popleft()
            try:
                deliver()
            except Exception:
                logger.exception("delivery to %s", key[0])


def _deliver_events_in_order() -> None:
    """Each event to a Lambda function ran in a thread of its own, so a job's RUNNING could overtake its
    STARTING; and a function that threw was never tried again, and its dead-letter queue never used."""
    deliveries = _Deliveries()

    def deliver(record: Json, event: Json) -> None:
        result = lambda_svc._execute_function_with_config_scope(record, event)
        if not result.get("error"):
            return
        configuration = record.get("event_invoke_config") or (record.get("event_invoke_configs") or {}).get(
            "$LATEST"
        )
        retries = int((configuration or {}).get("MaximumRetryAttempts", 2))
        config = record.get("config") or record
        if retries > 0:
            # Upstream's own loop for asynchronous calls does the rest: later attempts, then the queue.
            changed = {**(configuration or {}), "MaximumRetryAttempts": retries - 1}
            lambda_svc.invoke_async_with_retry({**record, "event_invoke_config": changed}, event)
        else:
            target = (
                ((configuration or {}).get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
            )
            if target := target or (config.get("DeadLetterConfig") or {}).get("TargetArn"):
                lambda_svc._route_async_failure(target, config["FunctionName"], event, result)

    def make(_: Any) -> Any:
        def dispatch(arn: str, payload: str) -> None:
            event = json.loads(payload)
            func, config, name = lambda_svc._get_func_record_for_ref(arn)
            if not func or not config:
                logger.warning("an EventBridge rule names function %s, which does not exist", name)
                return
            record = lambda_svc._execution_record_for_config(func, config)
            resources = event.get("resources") if isinstance(event, dict) else None
            context = contextvars.copy_context()
            key = (arn, (resources or [""])[0])
            deliveries.add(key, lambda: context.run(deliver, record, event))

        return dispatch

    for name in ("_route_async_failure", "invoke_async_with_retry", "_execution_record_for_config"):
        replace(lambda_svc, name, lambda same: same)
    replace(eventbridge, "_dispatch_to_lambda", make)


def _forget_old_events(on_change: Callable[[], None]) -> None:
    """Every event ever published was kept, and saved with the state; nothing reads them. (A change of a job
    or an execution is an event, so this is also where the state learns that it must be saved.)"""

    def make(original: Any) -> Any:
        def put_events(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            del eventbridge._events_log_list()[:-KEPT_EVENTS]
            on_change()
            return result

        return put_events

    replace(eventbridge, "_put_events", make)


# ---------------------------------------------------------------------------------------------------------
# CloudWatch Logs
# ---------------------------------------------------------------------------------------------------------


class _NoRecords(AccountRegionScopedDict):
    __slots__ = ()

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def _keep_log_lines_once() -> None:
    """Each line was kept a second time, for GetLogRecord, and saved with the state."""
    replace(cloudwatch_logs, "_log_records", lambda _: _NoRecords())


# ---------------------------------------------------------------------------------------------------------
# Step Functions
# ---------------------------------------------------------------------------------------------------------

STOPPED = "Roslin.ExecutionStopped"

current_execution: contextvars.ContextVar[Json | None] = contextvars.ContextVar(
    "current_execution", default=None
)
# Set when the task's TimeoutSeconds have passed; its thread goes on, and must know.
task_timed_out: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar(
    "task_timed_out", default=None
)
_requested_arn: contextvars.ContextVar[str | None] = contextvars.ContextVar("requested_arn", default=None)
_pinned_version: contextvars.ContextVar[Json | None] = contextvars.ContextVar("pinned_version", default=None)


@contextlib.contextmanager
def setting(variable: contextvars.ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


class _Machines(AccountRegionScopedDict):
    """State machines as an execution sees them: with the definition of the version it was started with."""

    __slots__ = ()

    def get(self, key: Any, default: Any = None) -> Any:
        machine = super().get(key, default)
        version = _pinned_version.get()
        if machine is not None and version is not None and version["stateMachineArn"] == key:
            return {**machine, "definition": version["definition"], "roleArn": version["roleArn"]}
        return machine


def _run_published_versions() -> None:
    """An execution started through a version or an alias ran the machine's latest definition, and named
    neither. Its name was also refused when the same request came a second time, which AWS accepts while the
    execution runs."""
    replace(sfn, "_state_machines", lambda _: _Machines())

    def make_start(original: Any) -> Any:
        def start(data: Json) -> Any:
            arn, name = data.get("stateMachineArn", ""), data.get("name")
            machine = sfn._resolve_state_machine_arn(arn)
            if machine and name:
                existing = sfn._executions.get(f"{machine.replace(':stateMachine:', ':execution:')}:{name}")
                if (
                    existing
                    and existing["status"] == "RUNNING"
                    and existing["input"] == data.get("input", "{}")
                ):
                    return json_response(
                        {"executionArn": existing["executionArn"], "startDate": existing["startDate"]}
                    )
            with setting(_requested_arn, arn):
                return original(data)

        return start

    def make_describe(original: Any) -> Any:
        def describe(data: Json) -> Any:
            response = original(data)
            execution = sfn._executions.get(data.get("executionArn"))
            if response[0] != 200 or execution is None:
                return response
            names = ("stateMachineVersionArn", "stateMachineAliasArn")
            return json_response(
                {
                    **json.loads(response[2]),
                    **{name: execution[name] for name in names if execution.get(name)},
                }
            )

        return describe

    replace(sfn, "_start_execution", make_start)
    replace(sfn, "_describe_execution", make_describe)


def _emit_status_event(execution: Json) -> None:
    """Without the version and alias, and with error and cause for FAILED alone, upstream's event could not
    say why an execution was aborted."""
    if execution.get("sync"):
        return
    requested = _requested_arn.get()
    if requested and execution["status"] == "RUNNING":
        if version := sfn._execution_version_arn(requested):
            execution["stateMachineVersionArn"] = version
        if requested in sfn._state_machine_aliases:
            execution["stateMachineAliasArn"] = requested
    succeeded = execution["status"] == "SUCCEEDED"
    detail = {
        "executionArn": execution["executionArn"],
        "stateMachineArn": execution["stateMachineArn"],
        "stateMachineVersionArn": execution.get("stateMachineVersionArn"),
        "stateMachineAliasArn": execution.get("stateMachineAliasArn"),
        "name": execution["name"],
        "status": execution["status"],
        "startDate": sfn._iso_to_epoch_ms(execution.get("startDate")),
        "stopDate": sfn._iso_to_epoch_ms(execution.get("stopDate")),
        "input": execution.get("input"),
        "output": execution.get("output") if succeeded else None,
        "inputDetails": {"included": True},
        "outputDetails": {"included": True} if succeeded else None,
        "error": execution.get("error"),
        "cause": execution.get("cause"),
    }
    for name in ("input", "output"):
        if detail[name] is not None and len(detail[name]) > sfn._STATUS_EVENT_PAYLOAD_CAP:
            detail[name], detail[f"{name}Details"] = None, {"included": False}
    entry = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(detail),
        "Resources": [execution["executionArn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def emit_status_event(execution: Json) -> None:
    try:
        _emit_status_event(execution)
    except Exception:
        logger.exception("cannot publish the status of %s", execution["executionArn"])


def end_execution(execution: Json, status: str, event: str, error: str | None, cause: str | None) -> None:
    details = f"{event[0].lower()}{event[1:]}EventDetails"
    execution.update(status=status, stopDate=now_iso(), error=error, cause=cause)
    sfn._add_event(execution, event, {details: {"error": error or "", "cause": cause or ""}})


def _time_out_executions() -> None:
    """A machine's TimeoutSeconds was ignored."""

    def make(original: Any) -> Any:
        def run(arn: str) -> None:
            execution = sfn._executions.get(arn)
            if execution is None:
                return
            version = sfn._state_machine_versions.get(execution.get("stateMachineVersionArn"))
            with setting(_pinned_version, version):
                machine = sfn._state_machines.get(execution["stateMachineArn"])
                seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
                context = contextvars.copy_context()

                def expire() -> None:
                    if execution["status"] == "RUNNING":
                        end_execution(execution, "TIMED_OUT", "ExecutionTimedOut", None, None)
                        sfn._emit_execution_status_event(execution)

                timer = threading.Timer(seconds, context.run, args=(expire,)) if seconds else None
                if timer:
                    timer.daemon = True
                    timer.start()
                try:
                    original(arn)
                finally:
                    if timer:
                        timer.cancel()

        return run

    replace(sfn, "_run_execution", make)


def _stop_executions_for_good() -> None:
    """A task that failed after StopExecution turned ABORTED into FAILED, and Retry and Catch went on starting
    work for an execution that had ended."""

    def make_fail(original: Any) -> Any:
        def fail(execution: Json, error: str, cause: str) -> None:
            if execution["status"] == "RUNNING":
                original(execution, error, cause)

        return fail

    def make_task(original: Any) -> Any:
        def execute(state: Json, raw_input: Any, execution: Json | None, ctx: Json) -> Any:
            if execution and execution["status"] != "RUNNING":
                raise sfn._ExecutionError(STOPPED, "the execution was stopped")
            seconds = state.get("TimeoutSeconds")
            if isinstance(seconds, str) and sfn._state_query_language(state, ctx) == "JSONata":
                # Upstream takes a number only; a JSONata machine may compute it.
                seconds = sfn._jsonata_state_field(state, "TimeoutSeconds", "number", raw_input, ctx)
                state = {**state, "TimeoutSeconds": seconds}
            with setting(current_execution, execution):
                return original(state, raw_input, execution, ctx)

        return execute

    def make_matches(original: Any) -> Any:
        def matches(error_equals: list[str], error: str) -> bool:
            execution = current_execution.get()
            stopped = error == STOPPED or (execution is not None and execution["status"] != "RUNNING")
            return not stopped and original(error_equals, error)

        return matches

    def make_timeout(original: Any) -> Any:
        def invoke(resource: str, input_data: Any, timeout: float) -> Any:
            timed_out = threading.Event()
            with setting(task_timed_out, timed_out):
                try:
                    return original(resource, input_data, timeout)
                except sfn._ExecutionError as error:
                    if error.error == "States.Timeout":
                        timed_out.set()
                    raise

        return invoke

    replace(sfn, "_fail_execution", make_fail)
    replace(sfn, "_execute_task", make_task)
    replace(sfn, "_error_matches", make_matches)
    replace(sfn, "_invoke_resource_with_timeout", make_timeout)


def _evaluate_parallel() -> None:
    """A Parallel state's Arguments, Output and Assign were ignored: branches had the state's own input."""

    def make(original: Any) -> Any:
        def run(state: Json, raw_input: Any, execution: Json | None, ctx: Json) -> Any:
            if sfn._state_query_language(state, ctx) != "JSONata":
                return original(state, raw_input, execution, ctx)
            own = ctx["State"]
            arguments = sfn._apply_jsonata_arguments(state, raw_input, ctx)
            plain = {name: state[name] for name in ("Branches", "Next", "End") if name in state}
            results, following = original(plain, arguments, execution, ctx)
            # The branches have left theirs.
            ctx["State"] = own
            output = sfn._apply_jsonata_output(state, raw_input, ctx, result=results, default=results)
            sfn._apply_state_assign(state, raw_input, ctx, result=results)
            return output, following

        return run

    replace(sfn, "_run_parallel_branches", make)


def _honour_max_delay() -> None:
    """A retrier's MaxDelaySeconds was ignored."""

    def make(original: Any) -> Any:
        def find(retriers: list[Json], error: str, counts: dict[int, int]) -> tuple[Json | None, int]:
            retrier, index = original(retriers, error, counts)
            if retrier is None or "MaxDelaySeconds" not in retrier:
                return retrier, index
            delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** counts.get(
                index, 0
            )
            delay = min(delay, retrier["MaxDelaySeconds"])
            return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1}, index

        return find

    replace(sfn, "_find_matching_retrier", make)


def _give_succeed_its_output() -> None:
    """A JSONata Succeed state's Output was ignored."""

    def make(original: Any) -> Any:
        def output(state: Json, data: Any, ctx: Json | None = None) -> Any:
            if state.get("Type") == "Succeed" and sfn._state_query_language(state, ctx) == "JSONata":
                return sfn._apply_jsonata_output(state, data, ctx, default=data)
            return original(state, data, ctx)

        return output

    replace(sfn, "_apply_output_path", make)


# ---------------------------------------------------------------------------------------------------------
# S3
# ---------------------------------------------------------------------------------------------------------

SEND_BYTES = 256 * 1024

# Whether the request at hand is for S3; no other service is given a body in a file.
takes_large_bodies: contextvars.ContextVar[bool] = contextvars.ContextVar("takes_large_bodies", default=False)
# The request's own channel; after its body it says when the client is gone.
request_messages: contextvars.ContextVar[Any] = contextvars.ContextVar("request_messages")


async def _disconnection(receive: Callable[[], Awaitable[Json]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _receive_large_bodies_in_files() -> None:
    """A body was collected in memory, and copied there several times over: a presigned PUT of 400 MB took
    4.7 GB. With a form's content type (as some HTTP clients send) it was parsed as a form, for 70 s, with
    every other request waiting."""

    def make_read(original: Any) -> Any:
        async def read(receive: Any, method: str, headers: dict[str, str]) -> Any:
            length = headers.get("content-length", "").strip()
            has_data = method == "PUT" or (method == "POST" and is_form(headers))
            large = has_data and length.isdigit() and int(length) >= LARGE_BYTES
            # The framing of aws-chunked is upstream's to undo; no client of ours uses it for large bodies.
            if not large or not takes_large_bodies.get() or "x-amz-decoded-content-length" in headers:
                return await original(receive, method, headers)
            spool = Spool()
            try:
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise ministack_app._RequestBodyDisconnected
                    spool.write(message.get("body", b""))
                    more = message.get("more_body", False)
            except BaseException:
                spool.discard()
                raise
            return spool.finish()

        return read

    def make_params(original: Any) -> Any:
        def params(method: str, path: str, headers: Json, body: Any, query: Json) -> Json:
            return query if isinstance(body, FileBody) else original(method, path, headers, body, query)

        return params

    def make_md5(original: Any) -> Any:
        return lambda data: data.md5 if isinstance(data, FileBody) and data.md5 else original(data)

    replace(ministack_app, "_read_request_body", make_read)
    replace(ministack_app, "_routing_params", make_params)
    replace(s3, "md5_hash", make_md5)
    replace(s3, "_parse_multipart_form", parser)


def _hold_forms_to_their_checksum() -> None:
    """Of a presigned POST everything was checked but the checksum that it is signed with."""
    changes = {
        '"x-amz-acl",\n        "x-amz-object-lock-mode",': (
            '"x-amz-acl",\n        "x-amz-checksum-algorithm",\n        "x-amz-checksum-sha256",\n'
            '        "x-amz-object-lock-mode",'
        ),
        "    obj = _build_object_record(file_value, synth, etag=etag)\n": (
            "    checksums, csum_err = _resolve_object_checksums(file_value, synth)\n"
            "    if csum_err:\n        return csum_err\n"
            "    obj = _build_object_record(file_value, synth, etag=etag, checksums=checksums)\n"
        ),
    }
    replace_source(s3, "_post_object", changes)


def _write_objects_whole() -> None:
    """The data was replaced first and the sidecar, with its size, later: a kill between the two left an
    object that nobody could read to its end."""
    s3._roslin_write_object = write_object
    changes = {
        "            if data is not None:\n                _atomic_write(fpath, data)\n": "",
        '            _atomic_write(fpath + ".meta.json", json.dumps(meta), text=True)\n            # Drop': (
            "            _roslin_write_object(fpath, data, meta)\n            # Drop"
        ),
    }
    replace_source(s3, "_persist_object", changes)


def _keep_large_objects_in_files() -> None:
    """Every read of an object, a range of 8 MB too, took the whole of it into memory; each version of an
    object in a versioned bucket stayed there."""

    def make_read(original: Any) -> Any:
        def read(bucket: str, key: str, obj: Json) -> Any:
            if obj.get("body") is None and obj.get("size", 0) >= LARGE_BYTES:
                path = s3._object_disk_path(bucket, key)
                if path and os.path.isfile(path):
                    return FileBody.open(path)
            return original(bucket, key, obj)

        return read

    def make_version(original: Any) -> Any:
        def read(bucket: Json, name: str, key: str, version: Json) -> Any:
            if version.get("size", 0) >= LARGE_BYTES and s3._version_file_exists(
                name, key, version["version_id"]
            ):
                return FileBody.open(s3._version_disk_path(name, key, version["version_id"]))
            return original(bucket, name, key, version)

        return read

    def make_data(original: Any) -> Any:
        def data(*args: Any, **kwargs: Any) -> bytes | None:
            body = original(*args, **kwargs)
            return body[:] if isinstance(body, FileBody) else body

        return data

    def make_write(original: Any) -> Any:
        def write(path: str, data: Any, *, text: bool = False) -> None:
            if isinstance(data, FileBody):
                temporary = f"{path}{UNFINISHED}"
                write_file(temporary, data)
                os.replace(temporary, path)
            else:
                original(path, data, text=text)

        return write

    def make_send(original: Any) -> Any:
        async def send_response(
            send: Any, status: int, headers: Json, body: Any, *, head: bool = False
        ) -> None:
            if not isinstance(body, FileBody):
                await original(send, status, headers, body, head=head)
                return
            if "content-length" not in {name.lower() for name in headers}:
                headers["Content-Length"] = str(len(body))
            start = {"type": "http.response.start", "status": status}
            await send({**start, "headers": ministack_app._asgi_header_list(headers)})
            # Sent to a client that has gone, the rest would pile up in the server.
            gone = asyncio.ensure_future(_disconnection(request_messages.get()))
            try:
                for offset in range(0, len(body), SEND_BYTES):
                    chunk = {"type": "http.response.body", "body": body[offset : offset + SEND_BYTES]}
                    await send({**chunk, "more_body": offset + SEND_BYTES < len(body)})
                    if gone.done():
                        return
            finally:
                gone.cancel()

        return send_response

    replace(s3, "_read_body", make_read)
    replace(s3, "_version_body", make_version)
    replace(s3, "_get_object_data", make_data)
    replace(s3, "_atomic_write", make_write)
    # What is in memory here is on disk as well: the current version as the object, a displaced one by itself.
    replace(s3, "_version_entry_from_record", lambda entry: lambda obj, version, _: entry(obj, version, None))
    replace(ministack_app, "_send_response", make_send)


# ---------------------------------------------------------------------------------------------------------
# CloudFormation
# ---------------------------------------------------------------------------------------------------------


def _update_global_tables_in_place() -> None:
    """A change of a global table, of its tags alone too, took its physical name for its logical one: the
    table was made anew under another name, and empty."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::GlobalTable"]
    original = handlers["update"]

    def update(table: str, old: Json, new: Json, stack: str) -> Any:
        # A name of one's own is kept, and where keys would replace the table, that is refused.
        return original(table, {**old, "TableName": table}, {**new, "TableName": table}, stack)

    handlers["update"] = update


def _apply_time_to_live() -> None:
    """A table's TimeToLiveSpecification was ignored."""

    def make(original: Any, update: bool) -> Any:
        def provision(*args: Any, **kwargs: Any) -> Any:
            table, attributes = original(*args, **kwargs)
            properties = args[2] if update else args[1]
            if wanted := properties.get("TimeToLiveSpecification"):
                enabled = str(wanted.get("Enabled", True)).lower() == "true"
                specification = {"AttributeName": wanted.get("AttributeName"), "Enabled": enabled}
                dynamodb._update_ttl({"TableName": table, "TimeToLiveSpecification": specification})
            return table, attributes

        return provision

    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
        handlers = provisioners._RESOURCE_HANDLERS[kind]
        for operation in ("create", "update"):
            if operation in handlers:
                handlers[operation] = make(handlers[operation], operation == "update")


def install(on_change: Callable[[], None]) -> None:
    _keep_lambda_error_names()
    _queue_lambda_invocations()
    _spawn_workers_with_current_code()
    _reap_every_idle_worker()
    _let_running_invocations_end()
    _answer_500_for_a_function_that_throws()
    _deliver_events_in_order()
    _forget_old_events(on_change)
    _keep_log_lines_once()
    _run_published_versions()
    replace(sfn, "_emit_execution_status_event", lambda _: emit_status_event)
    _time_out_executions()
    _stop_executions_for_good()
    _evaluate_parallel()
    _honour_max_delay()
    _give_succeed_its_output()
    _receive_large_bodies_in_files()
    _hold_forms_to_their_checksum()
    _write_objects_whole()
    _keep_large_objects_in_files()
    _update_global_tables_in_place()
    _apply_time_to_live()
