"""The machines of a job: one, or as many as Batch says in its multi-node variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Nodes:
    """`index` is this machine's, counted from the main one, which is 0."""

    count: int = 1
    index: int = 0
    main_address: str = "127.0.0.1"

    @property
    def is_main(self) -> bool:
        return self.index == 0


def read_nodes(environment: Mapping[str, str] = os.environ) -> Nodes:
    """This machine's place in a multi-node job of AWS Batch; alone where the variables are not set."""
    count = int(environment.get("AWS_BATCH_JOB_NUM_NODES", 1))
    if count == 1:
        return Nodes()
    main = int(environment["AWS_BATCH_JOB_MAIN_NODE_INDEX"])
    index = (int(environment["AWS_BATCH_JOB_NODE_INDEX"]) - main) % count
    # Batch tells the main node's address to the others only. It listens on all of its own, loopback too.
    address = "127.0.0.1" if index == 0 else environment["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"]
    return Nodes(count, index, address)


def job_id(environment: Mapping[str, str] = os.environ) -> str | None:
    """As SubmitJob named the job; None outside of Batch. A node's own has the node's index after it."""
    return environment.get("AWS_BATCH_JOB_ID", "").partition("#")[0] or None


@dataclass(frozen=True)
class Place:
    """Where a rank runs. Its node's leader uploads what all ranks of the node have written."""

    node: int = 0
    node_count: int = 1
    is_leader: bool = True


def read_place(environment: Mapping[str, str] = os.environ) -> Place:
    """From torchrun's variables; alone without them."""
    if "LOCAL_RANK" not in environment:
        return Place()
    return Place(
        node=int(environment["GROUP_RANK"]),
        node_count=int(environment["GROUP_WORLD_SIZE"]),
        is_leader=environment["LOCAL_RANK"] == "0",
    )
