"""Log lines for people: plain sentences, few of them. In a Batch job each is a JSON object with its run."""

import json
import os
import re
from collections.abc import Mapping


def log(line: str) -> None:
    print(format_line(line, os.environ), flush=True)


def format_line(line: str, environment: Mapping[str, str]) -> str:
    """The line as it is; in a job of Batch's, with the keys that the control plane's own lines have.

    Anything else that prints (libraries, stack traces) stays text; the log stream says whose it is.
    """
    job_id = environment.get("AWS_BATCH_JOB_ID")
    run = re.search(r"/runs/([^/]+)/", environment.get("ROSLIN_PLAN_URI", ""))
    if not job_id or not run:
        return line
    fields = {
        "runId": run[1],
        "step": environment.get("ROSLIN_STEP"),
        # As everywhere but in this variable: the jobs that failed before.
        "attempt": int(environment.get("ROSLIN_ATTEMPT", "1")) - 1,
        "jobId": job_id,
        "message": line,
    }
    return json.dumps(fields, ensure_ascii=False)
