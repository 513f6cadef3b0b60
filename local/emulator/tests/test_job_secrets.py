"""Secrets of Batch jobs: in the process's environment, and nowhere that an API shows."""

import json

from tests.harness import ACCOUNT, REGION, Batch, Emulator

PRINT_TOKEN = "import os; print(os.environ['TOKEN'][::-1])"


def of(name: str) -> dict[str, list[dict[str, str]]]:
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}"
    return {"secrets": [{"name": "TOKEN", "valueFrom": arn}]}


def test_a_job_is_given_the_secret_as_it_is_when_it_starts(emulator: Emulator, batch: Batch) -> None:
    secrets = emulator.client("secretsmanager")
    secrets.create_secret(Name="team/token", SecretString="old")
    batch.define("token", PRINT_TOKEN, containerProperties=of("team/token"))
    secrets.put_secret_value(SecretId="team/token", SecretString="hf_abc")
    job_id = batch.submit("token")
    assert batch.output(job_id) == ["cba_fh"]
    job = batch.ended(job_id)
    assert "hf_abc" not in json.dumps(job, default=str)
    assert job["container"]["secrets"] == of("team/token")["secrets"]


def test_a_job_whose_secret_is_not_there_does_not_start(batch: Batch) -> None:
    batch.define("lost", PRINT_TOKEN, containerProperties=of("team/nowhere"))
    job = batch.ended(batch.submit("lost"))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert "unable to retrieve secret" in job["attempts"][-1]["container"]["reason"]
