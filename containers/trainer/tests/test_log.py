"""Lines for people, and lines that a query finds by their run."""

import json

from roslin_trainer.log import format_line

JOB = {
    "AWS_BATCH_JOB_ID": "job-1",
    "ROSLIN_PLAN_URI": "s3://bucket/runs/01JD0000000000000000000000/plan.json",
    "ROSLIN_STEP": "train",
    "ROSLIN_ATTEMPT": "3",
}


def test_line_of_a_job_is_one_object_with_its_run():
    line = format_line("stacks of rank 0:\n“baa”", JOB)
    assert "\n" not in line and "“baa”" in line
    assert json.loads(line) == {
        "runId": "01JD0000000000000000000000",
        "step": "train",
        "attempt": 2,
        "jobId": "job-1",
        "message": "stacks of rank 0:\n“baa”",
    }


def test_line_of_no_job_or_of_a_plan_in_no_bucket_is_a_sentence():
    assert format_line("train: done", {**JOB, "AWS_BATCH_JOB_ID": ""}) == "train: done"
    assert format_line("train: done", {**JOB, "ROSLIN_PLAN_URI": "/tmp/run/plan.json"}) == "train: done"
