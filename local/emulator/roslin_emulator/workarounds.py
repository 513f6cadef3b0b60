"""Every correction of what MiniStack 1.5.33 gets wrong or lacks, each with its reason.

Patches go through `replace`, which refuses to start when the thing to patch is not there.
"""

import contextlib
import contextvars
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import AccountRegionScopedDict, json_response, now_iso
from ministack.services import cloudwatch_logs, dynamodb, eventbridge, lambda_svc
from ministack.services import stepfunctions as sfn
from ministack.services.cloudformation import provisioners

logger = logging.getLogger("roslin.workarounds")

Json = dict[str, Any]


class UnsupportedMiniStack(Exception):
    """A part of MiniStack that we patch is not where it was in the pinned version."""


def replace(module: Any, name: str, make: Callable[[Any], Any]) -> None:
    if not hasattr(module, name):
        raise UnsupportedMiniStack(f"MiniStack has no {module.__name__}.{name}")
    setattr(module, name, make(getattr(module, name)))


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


def _keep_lambda_error_names() -> None:
    """A thrown error always came back as Runtime.HandlerError, so no Retry or Catch by name could match; and
    its worker was killed, so the next invocation paid for a cold start. The worker now answers with the error
    as a result of a shape that `_execute_function_warm` recognises."""
    script = lambda_runtime._NODEJS_WORKER_SCRIPT
    for old, name in (
        ('status: "error", error: String(err.message || err), trace: err.stack || ""', "err"),
        ('status: "error", error: e.message, trace: e.stack', "e"),
    ):
        if old not in script:
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
            if not isinstance(body, dict) or ERROR_KEY not in body:
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


def _forget_old_events() -> None:
    """Every event ever published was kept, and saved with the state; nothing reads them."""

    def make(original: Any) -> Any:
        def put_events(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            del eventbridge._events_log_list()[:-KEPT_EVENTS]
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
def _setting(variable: contextvars.ContextVar[Any], value: Any) -> Iterator[None]:
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
            with _setting(_requested_arn, arn):
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
            with _setting(_pinned_version, version):
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
            with _setting(current_execution, execution):
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
            with _setting(task_timed_out, timed_out):
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
# CloudFormation
# ---------------------------------------------------------------------------------------------------------


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


def install() -> None:
    _keep_lambda_error_names()
    _queue_lambda_invocations()
    _reap_every_idle_worker()
    _deliver_events_in_order()
    _forget_old_events()
    _keep_log_lines_once()
    _run_published_versions()
    replace(sfn, "_emit_execution_status_event", lambda _: emit_status_event)
    _time_out_executions()
    _stop_executions_for_good()
    _honour_max_delay()
    _give_succeed_its_output()
    _apply_time_to_live()
