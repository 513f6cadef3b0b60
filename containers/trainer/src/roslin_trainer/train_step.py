"""The train step: fetches what training reads, trains, and publishes the model."""

from roslin_trainer.checkpoint import CheckpointStore
from roslin_trainer.inputs import fetch_complete
from roslin_trainer.launch import run_ranks
from roslin_trainer.node_profile import NodeProfile
from roslin_trainer.plan import Plan
from roslin_trainer.preflight import check_node
from roslin_trainer.publish import publish_model
from roslin_trainer.rank import Inputs, run_rank
from roslin_trainer.signals import StopSignal
from roslin_trainer.storage import open_folder


def train(plan: Plan, plan_uri: str, inputs: Inputs, stop: StopSignal) -> None:
    check_node(plan, inputs.scratch)
    with NodeProfile(open_folder(plan.run_uri)):
        _train(plan, plan_uri, inputs, stop)


def _train(plan: Plan, plan_uri: str, inputs: Inputs, stop: StopSignal) -> None:
    store = CheckpointStore(open_folder(plan.run_uri), plan.keep_epochs)
    fetch_complete(plan.base_model.mirror_uri, inputs.base)
    fetch_complete(plan.prepared_uri, inputs.rows)
    store.fetch_newest(inputs.checkpoint)
    if plan.gpus == 0:
        run_rank(plan, inputs, stop)
    else:
        run_ranks(plan.gpus, plan_uri, inputs, stop)
    publish_model(plan, store, inputs.base, inputs.scratch)
