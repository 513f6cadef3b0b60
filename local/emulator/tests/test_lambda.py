"""Lambda functions on the Node of this machine."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.harness import Emulator, make_function, wait_until


def invoke(emulator: Emulator, name: str, payload: object = None) -> object:
    answer = emulator.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
    return json.loads(answer["Payload"].read())


def test_the_environment_of_a_function(emulator: Emulator) -> None:
    code = """
    const ready = await Promise.resolve("top-level await");
    export const handler = async (event, context) =>
      ({ ready, event, env: process.env, remaining: context.getRemainingTimeInMillis() });
    """
    make_function(emulator, "env", code, Environment={"Variables": {"TABLE": "t"}})
    answer = invoke(emulator, "env", {"a": 1})
    assert isinstance(answer, dict)
    assert (answer["ready"], answer["event"]) == ("top-level await", {"a": 1})
    assert 0 < answer["remaining"] <= 10_000
    env = answer["env"]
    assert (env["TABLE"], env["AWS_REGION"]) == ("t", "us-east-1")
    assert env["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{emulator.port}"
    assert env["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert not {"AWS_PROFILE", "LEAK", "PYTHONPATH"} & set(env)


def test_an_error_as_the_caller_sees_it(emulator: Emulator) -> None:
    code = """
    export const handler = async (event) => {
      if (event === "text") throw "only text";
      throw Object.assign(new Error("no such model"), { name: "PlanError" });
    };
    """
    make_function(emulator, "throws-named", code)
    answer = emulator.client("lambda").invoke(FunctionName="throws-named", Payload=b"1")
    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"].read())
    assert (error["errorType"], error["errorMessage"]) == ("PlanError", "no such model")
    assert error["trace"][0] == "PlanError: no such model"
    text = invoke(emulator, "throws-named", "text")
    assert text == {"errorType": "string", "errorMessage": "only text", "trace": []}
    logged = emulator.client("logs").filter_log_events(
        logGroupName="/aws/lambda/throws-named", filterPattern="PlanError"
    )["events"]
    assert any("no such model" in event["message"] for event in logged)


def test_many_invocations_at_a_time_wait_for_a_worker(emulator: Emulator) -> None:
    code = (
        "export const handler = (n) => new Promise((done) => setTimeout(() => done([n, process.pid]), 100));"
    )
    make_function(emulator, "busy", code)
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda number: invoke(emulator, "busy", number), range(24)))
    assert [answer[0] for answer in answers] == list(range(24))  # type: ignore[index]
    assert len({answer[1] for answer in answers}) <= 8  # type: ignore[index]


def test_a_worker_that_cannot_start_lets_the_others_end(emulator: Emulator, tmp_path: Path) -> None:
    code = """
    import { existsSync, writeFileSync } from "node:fs";
    if (existsSync(`${process.env.FOLDER}/begun`)) throw new Error("too late");
    export const handler = async () => {
      writeFileSync(`${process.env.FOLDER}/begun`, "");
      while (!existsSync(`${process.env.FOLDER}/go-on`)) await new Promise((done) => setTimeout(done, 20));
      return "done";
    };
    """
    make_function(emulator, "starts-once", code, Environment={"Variables": {"FOLDER": str(tmp_path)}})
    with ThreadPoolExecutor() as pool:
        running = pool.submit(invoke, emulator, "starts-once")
        wait_until((tmp_path / "begun").exists, what="the first invocation")
        failed = invoke(emulator, "starts-once")
        (tmp_path / "go-on").touch()
        assert "too late" in failed["errorMessage"]  # type: ignore[index]
        assert running.result() == "done"


def test_an_update_lets_running_invocations_end(emulator: Emulator, tmp_path: Path) -> None:
    code = """
    import { existsSync, writeFileSync } from "node:fs";
    export const handler = async (folder) => {
      writeFileSync(`${folder}/begun`, "");
      while (!existsSync(`${folder}/go-on`)) await new Promise((done) => setTimeout(done, 20));
      return [process.env.COLOUR, process.pid];
    };
    """
    make_function(emulator, "updated", code, Environment={"Variables": {"COLOUR": "red"}})
    with ThreadPoolExecutor() as pool:
        running = pool.submit(invoke, emulator, "updated", str(tmp_path))
        wait_until((tmp_path / "begun").exists, what="the invocation")
        emulator.client("lambda").update_function_configuration(
            FunctionName="updated", Environment={"Variables": {"COLOUR": "green"}}
        )
        (tmp_path / "go-on").touch()
        colour, process = running.result()  # type: ignore[misc]
    assert colour == "red"
    assert invoke(emulator, "updated", str(tmp_path))[0] == "green"  # type: ignore[index]
    wait_until(lambda: not psutil.pid_exists(process), what="the end of the worker from before the update")
