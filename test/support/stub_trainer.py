"""A trainer without a model: it keeps the container contract and does as the recipe's description tells it.

The description is a list of words, `step:action`: `train:sleep=30`, `train:exit=21`, `train:exit=20@1` (in the first
attempt only), `train:die`, `train:error=CODE`, `train:orphan`, `train:nothing`, `train:unaware` (of the notice that the machine
is taken back, at which it stops otherwise), `train:real` (hands over to the real trainer). A step that is not named does its work.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
STEP = os.environ["ROSLIN_STEP"]
ATTEMPT = int(os.environ["ROSLIN_ATTEMPT"])
STEPS_PER_EPOCH = 4


def url(uri: str) -> str:
    return f"{ENDPOINT}/{uri.removeprefix('s3://')}"


def read(uri: str) -> dict:
    with urllib.request.urlopen(url(uri)) as answer:
        return json.load(answer)


def write(uri: str, value: dict) -> None:
    body = json.dumps(value).encode()
    urllib.request.urlopen(
        urllib.request.Request(url(uri), data=body, method="PUT")
    ).close()


def say(text: str) -> None:
    print(text, flush=True)


def metrics(plan: dict, step: int) -> dict:
    epochs = plan["recipe"]["training"]["epochs"]
    steps = list(range(1, step + 1))
    losses = [4 / (number + 1) for number in steps]
    return {
        "updatedAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "device": "stub",
        "worldSize": 1,
        "epoch": step / STEPS_PER_EPOCH,
        "epochs": epochs,
        "step": step,
        "totalSteps": epochs * STEPS_PER_EPOCH,
        "tokensPerSecond": 1000.0 if steps else None,
        "etaSeconds": 1.0 if steps else None,
        "lossFirst": losses[0] if losses else None,
        "lossLast": losses[-1] if losses else None,
        "heldOutLoss": [],
        "series": {
            "step": steps,
            "loss": losses,
            "learningRate": [1e-5 for _ in steps],
            "gradientNorm": [1.0 for _ in steps],
            "tokensPerSecond": [1000.0 for _ in steps],
        },
    }


def train(plan: dict) -> None:
    total = plan["recipe"]["training"]["epochs"] * STEPS_PER_EPOCH
    for step in (0, total):
        write(plan["runUri"] + "metrics.json", metrics(plan, step))
    write(
        plan["modelUri"] + "manifest.json",
        {"kind": "model", "epoch": plan["keepEpochs"][-1], "files": []},
    )


def evaluate(plan: dict) -> None:
    models = [{"name": "base", "epoch": 0, "heldOutLoss": 3.5}]
    models += [
        {"name": f"epoch {epoch}", "epoch": epoch, "heldOutLoss": 1.5}
        for epoch in plan["keepEpochs"]
    ]
    prompts = [
        {
            "instruction": prompt["instruction"],
            "input": prompt.get("input"),
            "expect": prompt.get("expect"),
            "answers": [
                {
                    "text": f"{model['name']} says baa",
                    "right": True if prompt.get("expect") else None,
                }
                for model in models
            ],
        }
        for prompt in plan["recipe"]["evaluation"]["prompts"]
    ]
    write(plan["runUri"] + "evaluation.json", {"models": models, "prompts": prompts})


def actions(plan: dict) -> list[str]:
    """What this attempt of this step is told to do."""
    told = []
    for word in plan["recipe"].get("description", "").split():
        step, _, action = word.partition(":")
        action, _, only_attempt = action.partition("@")
        if step == STEP and only_attempt in ("", str(ATTEMPT)):
            told.append(action)
    return told


def act(plan: dict, action: str) -> None:
    name, _, value = action.partition("=")
    if name == "sleep":
        write(plan["runUri"] + "metrics.json", metrics(plan, 0))
        time.sleep(float(value))
    elif name == "exit":
        sys.exit(int(value))
    elif name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "orphan":
        # A process that has left our group and session, as data loaders and launchers may.
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        say(f"child {child.pid}")
    elif name == "error":
        error = {
            "step": STEP,
            "exitCode": 10,
            "code": value,
            "message": "The stub was told to fail.",
            "nextStep": "Tell it something else.",
        }
        write(plan["runUri"] + "error.json", error)
        sys.exit(10)
    elif name == "real":
        os.environ["PYTHONPATH"] = os.path.abspath("containers/trainer/src")
        os.execv(sys.executable, [sys.executable, "-m", "roslin_trainer"])
    elif name == "unaware":
        pass
    elif name == "nothing":
        sys.exit(0)
    else:
        raise ValueError(f"no action {action}")


def watch_for_notice() -> None:
    """As the trainer does, only more often."""
    endpoint = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]

    def ask(method: str, path: str, **headers: str) -> str:
        request = urllib.request.Request(
            endpoint + path, method=method, headers=headers
        )
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    token = ask(
        "PUT", "/latest/api/token", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    )
    while True:
        time.sleep(0.1)
        try:
            notice = ask(
                "GET",
                "/latest/meta-data/spot/instance-action",
                **{"X-aws-ec2-metadata-token": token},
            )
        except urllib.error.HTTPError:
            continue
        say(f"notice {notice}")
        os.kill(os.getpid(), signal.SIGTERM)
        return


def interrupted(*_: object) -> None:
    say("told to stop")
    sys.exit(20)


def main() -> None:
    signal.signal(signal.SIGTERM, interrupted)
    say(f"process {os.getpid()} step {STEP} attempt {ATTEMPT}")
    plan = read(os.environ["ROSLIN_PLAN_URI"])
    told = actions(plan)
    if os.environ["AWS_EC2_METADATA_DISABLED"] == "false" and "unaware" not in told:
        threading.Thread(target=watch_for_notice, daemon=True).start()
    for action in told:
        act(plan, action)
    {"prepare": lambda _: None, "train": train, "evaluate": evaluate}[STEP](plan)
    say("done")


main()
