"""error.json, beside the plan: why the last attempt of a step ended badly."""

import json
import time

from roslin_trainer.errors import TrainerError
from roslin_trainer.exit_codes import LESS_TELLING
from roslin_trainer.log import log
from roslin_trainer.nodes import job_id, read_nodes
from roslin_trainer.storage import Folder, open_folder

ERROR_FILE = "error.json"


def remove_error(plan_uri: str) -> None:
    """A new attempt begins: what the one before it died of is no longer the truth.

    Of several nodes another may have died already, before this one came so far: that stays.
    """
    folder = _run_folder(plan_uri)
    content = folder.read(ERROR_FILE)
    if content is None or (read_nodes().count > 1 and json.loads(content).get("jobId") == job_id()):
        return
    try:
        folder.delete([ERROR_FILE])
    except Exception as failure:
        # A role that may not delete is no reason to do no work.
        log(f"the {ERROR_FILE} of an earlier attempt could not be removed: {failure}")


def write_error(plan_uri: str, step: str, error: TrainerError) -> None:
    job = job_id()
    value = {**error.to_json(step), **({"jobId": job} if job else {})}
    content = json.dumps(value, indent=1, ensure_ascii=False).encode()
    try:
        _run_folder(plan_uri).write(ERROR_FILE, content)
    except Exception as failure:
        # Storage may be what failed; the exit code and the log still tell.
        log(f"{ERROR_FILE} could not be written: {failure}")


def find_error(plan_uri: str) -> TrainerError | None:
    """What some node of this job has died of, as far as is known now."""
    value = json.loads(_run_folder(plan_uri).read(ERROR_FILE) or "{}")
    # An earlier job's may still be there, until the main node has removed it.
    return TrainerError.from_json(value) if value and value.get("jobId") == job_id() else None


def find_cause(plan_uri: str) -> TrainerError | None:
    """The same, where it is more than an end of all nodes or the loss of another."""
    error = find_error(plan_uri)
    return error if error and error.exit_code not in LESS_TELLING else None


def error_of_another_node(plan_uri: str, patience_seconds: float = 100.0) -> TrainerError | None:
    """What another node has died of; it may still have to upload, and to end its ranks, before it says so."""
    deadline = time.monotonic() + patience_seconds
    while True:
        if error := find_error(plan_uri):
            return error
        if time.monotonic() > deadline:
            return None
        time.sleep(1)


def _run_folder(plan_uri: str) -> Folder:
    """The folder that the plan lies in: known also when the plan itself cannot be read."""
    return open_folder(plan_uri.rpartition("/")[0] or ".")
