"""A real emulator process for the tests, and short names for what they do with it."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).parents[1]
ACCOUNT = "000000000000"
REGION = "us-east-1"
Keys = dict[str, str]
ACCOUNT_KEYS: Keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition: Callable[[], Any], seconds: float = 10, what: str = "condition") -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.03)
    raise AssertionError(f"{what} not reached within {seconds} s")


def alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Emulator:
    def __init__(self, directory: Path, slots: int = 2, grace_seconds: float = 1.5) -> None:
        self.directory = directory
        self.port = free_port()
        self.slots = slots
        self.grace_seconds = grace_seconds
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.images = directory / "images.json"
        self.write_images({})

    def write_images(self, images: dict[str, Any]) -> None:
        python = {"cwd": str(self.directory), "entrypoint": ["python", "-c"], "env": {"FROM_IMAGE": "yes"}}
        self.images.write_text(json.dumps({"python:*": python, **images}))

    def command(self, *extra: str) -> list[str]:
        return [
            *(sys.executable, "-m", "roslin_emulator", "--port", str(self.port)),
            *("--state-dir", str(self.directory / "state"), "--images", str(self.images)),
            *("--job-slots", str(self.slots), "--stop-grace-seconds", str(self.grace_seconds), *extra),
        ]

    def environment(self) -> dict[str, str]:
        # What must not leak into jobs and workers.
        return {**os.environ, "PYTHONPATH": str(ROOT), "AWS_PROFILE": "mine", "LEAK": "yes"}

    def start(self) -> "Emulator":
        # With the tests as its parent, so that a test that fails leaves no emulator.
        command = self.command("--exit-with-parent")
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment(), stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        try:
            wait_until(self.health, 20, "health")
        except AssertionError:
            raise AssertionError((self.directory / "log").read_text()) from None
        return self

    def health(self) -> Any:
        try:
            return self.get("/_roslin/health")
        except OSError:
            return None

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return json.load(response)

    def chaos(self, *rules: dict[str, Any], method: str = "PUT", **more: Any) -> Any:
        """Sets the rules; without any, ends chaos."""
        return self.send(method, "/_roslin/chaos", {"rules": list(rules), **more})

    def send(self, method: str, path: str, value: Any) -> Any:
        url, data = f"http://127.0.0.1:{self.port}{path}", json.dumps(value).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=5) as response:
            return json.load(response)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(20)

    def client(self, service: str, keys: Keys = ACCOUNT_KEYS) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys.get("AWS_SESSION_TOKEN"),
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        )


class Batch:
    """A compute environment and a queue, and jobs that run a line of Python."""

    def __init__(self, emulator: Emulator) -> None:
        self.client = emulator.client("batch")
        self.logs = emulator.client("logs")
        self.client.create_compute_environment(computeEnvironmentName="local-env", type="MANAGED")
        self.queue = self.make_queue("local-queue")

    def make_queue(self, name: str) -> str:
        order = [{"order": 1, "computeEnvironment": "local-env"}]
        return self.client.create_job_queue(jobQueueName=name, priority=1, computeEnvironmentOrder=order)[
            "jobQueueArn"
        ]

    def make_shared_queue(self, name: str) -> str:
        """With a fair-share policy, which a queue made by CloudFormation has from the start."""
        self.client.update_job_queue(jobQueue=self.make_queue(name), schedulingPolicyArn="arn:policy")
        return name

    def define(self, name: str, code: str = "", image: str = "python:3", **more: Any) -> str:
        properties = more.pop("containerProperties", {})
        requirements = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}]
        container = {"image": image, "command": [code], "resourceRequirements": requirements, **properties}
        return self.client.register_job_definition(
            jobDefinitionName=name, type="container", containerProperties=container, **more
        )["jobDefinitionArn"]

    def submit(self, definition: str, name: str = "job", **more: Any) -> str:
        request = {"jobName": name, "jobQueue": self.queue, "jobDefinition": definition, **more}
        return self.client.submit_job(**request)["jobId"]

    def job(self, job_id: str) -> dict[str, Any]:
        return self.client.describe_jobs(jobs=[job_id])["jobs"][0]

    def reached(self, job_id: str, *statuses: str, seconds: float = 10) -> dict[str, Any]:
        def check() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] in statuses else None

        return wait_until(check, seconds, f"job status {statuses}")

    def ended(self, job_id: str, seconds: float = 10) -> dict[str, Any]:
        return self.reached(job_id, "SUCCEEDED", "FAILED", seconds=seconds)

    def lines(self, stream: str, group: str = "/aws/batch/job") -> list[str]:
        events = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)[
            "events"
        ]
        return [event["message"] for event in events]

    def output(self, job_id: str) -> list[str]:
        return self.lines(self.ended(job_id)["container"]["logStreamName"])


def lambda_zip(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.mjs", code)
    return buffer.getvalue()


def make_function(emulator: Emulator, name: str, code: str, role: str = "any", **more: Any) -> str:
    return emulator.client("lambda").create_function(
        FunctionName=name,
        Runtime="nodejs24.x",
        Handler="index.handler",
        Role=f"arn:aws:iam::{ACCOUNT}:role/{role}",
        Timeout=10,
        Code={"ZipFile": lambda_zip(code)},
        **more,
    )["FunctionArn"]


def make_recorder(emulator: Emulator, name: str) -> str:
    """A function that writes each event it gets as an object of bucket `name`, in the order they came."""
    emulator.client("s3").create_bucket(Bucket=name)
    code = """
    const base = `${process.env.AWS_ENDPOINT_URL}/${process.env.BUCKET}/`;
    export const handler = async (event) => {
      const key = `${Date.now()}-${crypto.randomUUID()}`;
      await fetch(base + key, { method: "PUT", body: JSON.stringify(event) });
    };
    """
    return make_function(emulator, name, code, Environment={"Variables": {"BUCKET": name}})


def recorded(emulator: Emulator, name: str) -> list[dict[str, Any]]:
    s3 = emulator.client("s3")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=name).get("Contents", [])]
    return [json.load(s3.get_object(Bucket=name, Key=key)["Body"]) for key in keys]


def make_rule(emulator: Emulator, name: str, pattern: dict[str, Any], target: str) -> None:
    events = emulator.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])


class Machine:
    """A JSONata state machine and its executions."""

    def __init__(self, emulator: Emulator, name: str, definition: dict[str, Any]) -> None:
        self.client = emulator.client("stepfunctions")
        self.arn = self.client.create_state_machine(
            name=name,
            definition=json.dumps({"QueryLanguage": "JSONata", **definition}),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
        )["stateMachineArn"]

    def start(self, value: Any = None, **more: Any) -> str:
        request = {"stateMachineArn": self.arn, "input": json.dumps(value or {}), **more}
        return self.client.start_execution(**request)["executionArn"]

    def execution(self, arn: str) -> dict[str, Any]:
        return self.client.describe_execution(executionArn=arn)

    def ended(self, arn: str, seconds: float = 10) -> dict[str, Any]:
        def check() -> dict[str, Any] | None:
            execution = self.execution(arn)
            return execution if execution["status"] != "RUNNING" else None

        return wait_until(check, seconds, "end of the execution")

    def run(self, value: Any = None) -> dict[str, Any]:
        return self.ended(self.start(value))
