"""Reach and rights on every folder that training reads or writes."""

from collections.abc import Callable

from botocore.exceptions import ClientError

from roslin_trainer.errors import is_denied, storage_denied
from roslin_trainer.manifest import MANIFEST
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.machine import Machine
from roslin_trainer.storage import open_folder


def check_storage(plan: Plan, machine: Machine) -> str:
    """Leaves nothing behind. Storage that cannot be reached raises as it is: the job may be tried again."""
    model, rows = open_folder(plan.base_model.mirror_uri), open_folder(plan.prepared_uri)
    run, finished = open_folder(plan.run_uri), open_folder(plan.model_uri)
    checkpoints = run.child("checkpoints")
    for folder in (model, rows, finished):
        _attempt("read", folder.uri, lambda folder=folder: folder.read(MANIFEST))
    _attempt("list", checkpoints.uri, checkpoints.paths)
    for folder in (run, checkpoints, finished):
        _attempt("write", folder.uri, folder.probe_write)
    return f"reads {model.uri} and {rows.uri}, writes {run.uri} and {finished.uri}"


def _attempt(what: str, uri: str, work: Callable[[], object]) -> None:
    try:
        work()
    except ClientError as error:
        if is_denied(error):
            raise storage_denied(f"This job may not {what} in {uri}: {error}") from error
        raise
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise storage_denied(f"This job cannot {what} in {uri}: {error}") from error
