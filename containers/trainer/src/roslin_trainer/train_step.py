"""The train step: fetches what training reads, trains, and publishes the model.

What takes seconds to import is imported where it is needed: beside ranks, that is when they are done.
"""

import os
import signal

from roslin_trainer.checkpoint import CheckpointStore, is_read_by
from roslin_trainer.error_file import error_of_another_node, find_cause, write_error
from roslin_trainer.errors import TrainerError, as_trainer_error
from roslin_trainer.exit_codes import LESS_TELLING, SYMPTOMS
from roslin_trainer.inputs import Inputs, fetch_complete
from roslin_trainer.launch import run_ranks
from roslin_trainer.log import log
from roslin_trainer.node_profile import NodeProfile
from roslin_trainer.nodes import Nodes, read_nodes
from roslin_trainer.plan import Plan
from roslin_trainer.preflight.node import check_node
from roslin_trainer.scratch import remove_folder
from roslin_trainer.signals import StopNotice, StopSignal
from roslin_trainer.spot_notice import SpotWatch
from roslin_trainer.stacks import write_stacks_to_log
from roslin_trainer.stop_file import StopWatch, ended_at_once
from roslin_trainer.storage import open_folder


def train(plan: Plan, plan_uri: str, inputs: Inputs, stop: StopSignal) -> None:
    nodes, count = read_nodes(), ranks_per_node(plan)
    check_node(plan, inputs.scratch)
    with NodeProfile(open_folder(plan.run_uri)):
        _train(plan, plan_uri, inputs, stop, nodes, count)


def _train(plan: Plan, plan_uri: str, inputs: Inputs, stop: StopSignal, nodes: Nodes, count: int) -> None:
    own_ranks = range(nodes.index * count, (nodes.index + 1) * count)
    store = CheckpointStore(open_folder(plan.run_uri), plan.keep_epochs)
    with SpotWatch(lambda notice: _pass_on(notice, stop)):
        fetch_complete(plan.base_model.mirror_uri, inputs.base)
        fetch_complete(plan.prepared_uri, inputs.rows)
        store.fetch_newest(inputs.checkpoint, is_read_by(own_ranks))
        if plan.gpus == 0 and count == 1 and nodes.count == 1:
            from roslin_trainer.rank import run_rank

            with StopWatch(stop, open_folder(plan.run_uri), lambda: _end(plan_uri, inputs, ended_at_once())):
                run_rank(plan, inputs, stop, lambda error: _end_hung(plan_uri, inputs, error))
        else:
            _run_ranks(count, nodes, plan, plan_uri, inputs, stop)
        if nodes.is_main:
            from roslin_trainer.publish import publish_model

            publish_model(plan, store, inputs)


def ranks_per_node(plan: Plan) -> int:
    """One for each GPU; without GPUs one, or ROSLIN_CPU_RANKS: for tests, and machines of several sockets."""
    return plan.gpus or int(os.environ.get("ROSLIN_CPU_RANKS", "1"))


def _run_ranks(count: int, nodes: Nodes, plan: Plan, plan_uri: str, inputs: Inputs, stop: StopSignal) -> None:
    try:
        run_ranks(count, nodes, plan_uri, open_folder(plan.run_uri), inputs, stop)
    except Exception as error:
        code = as_trainer_error(error).exit_code
        if nodes.count == 1 or code not in LESS_TELLING:
            raise
        # A rank that lost its peers knows only that: theirs is the cause. Of an end that all come to together
        # another node may have said already that its upload failed; nothing is waited for then.
        if cause := error_of_another_node(plan_uri) if code in SYMPTOMS else find_cause(plan_uri):
            raise cause from error
        raise


def _pass_on(notice: StopNotice, stop: StopSignal) -> None:
    """From the watching thread to the main one, whatever it is at."""
    log(f"{notice.reason}, in {notice.seconds_left:.0f} s")
    stop.announce(notice)
    os.kill(os.getpid(), signal.SIGTERM)


def _end_hung(plan_uri: str, inputs: Inputs, error: TrainerError) -> None:
    write_stacks_to_log()
    _end(plan_uri, inputs, error)


def _end(plan_uri: str, inputs: Inputs, error: TrainerError) -> None:
    """From a thread beside the main one, which may be stuck or busy."""
    log(f"train failed: {error.message} [{error.code}, exit code {int(error.exit_code)}]")
    write_error(plan_uri, "train", error)
    remove_folder(inputs.scratch)
    os._exit(error.exit_code)
