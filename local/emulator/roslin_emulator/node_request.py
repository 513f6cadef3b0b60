"""The nodes of a multi-node parallel job: from its definition and the request to a record for each."""

import copy
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

MARK = "#"


def is_node(job_id: str) -> bool:
    return MARK in job_id


def owner_job_id(job_id: str) -> str:
    return job_id.partition(MARK)[0]


def node_job_id(job_id: str, index: int | str) -> str:
    return f"{job_id}{MARK}{index}"


def node_properties(
    definition: Json,
    overrides: Json,
    container: Callable[[Json, Json], Json],
    refuse: Callable[[str], Exception],
) -> Json:
    """As the definition has them, with what SubmitJob says of their number and containers."""
    base = definition["nodeProperties"]
    count = int(overrides.get("numNodes") or base["numNodes"])
    main = int(base.get("mainNode", 0))
    ranges = base["nodeRangeProperties"]
    is_open = any(entry["targetNodes"].endswith(":") for entry in ranges)
    if count != int(base["numNodes"]) and not is_open:
        raise refuse("numNodes can only be overridden where a node range of the definition has no upper end")
    given = {entry["targetNodes"]: entry for entry in overrides.get("nodePropertyOverrides") or []}
    if others := set(given) - {entry["targetNodes"] for entry in ranges}:
        names = ", ".join(sorted(others))
        raise refuse(f"NodeOverride targets should match job definition. Non matching targets - {names}")
    properties = {
        "numNodes": count,
        "mainNode": main,
        "nodeRangeProperties": [
            {
                "targetNodes": entry["targetNodes"],
                "container": container(
                    entry["container"], given.get(entry["targetNodes"], {}).get("containerOverrides") or {}
                ),
            }
            for entry in ranges
        ],
    }
    if main >= count:
        raise refuse(f"mainNode {main} must be fewer than the {count} nodes of the job")
    for index in range(count):
        if _range_of(properties, index) is None:
            raise refuse(f"no node range has node {index} of {count}")
    return properties


def node_records(job: Json) -> list[Json]:
    """A record for each node, as DescribeJobs shows it under the job's id and the node's index."""
    properties = job["nodeProperties"]
    common = {key: value for key, value in job.items() if key not in ("nodeProperties", "timeout")}
    records = [
        {
            **copy.deepcopy(common),
            "jobArn": node_job_id(job["jobArn"], index),
            "jobId": node_job_id(job["jobId"], index),
            "container": copy.deepcopy(_range_of(properties, index)["container"]),
            "nodeDetails": {"nodeIndex": index, "isMainNode": index == properties["mainNode"]},
        }
        for index in range(properties["numNodes"])
    ]
    if "timeout" in job:
        # That of the whole job: it begins and ends with the main node.
        records[properties["mainNode"]]["timeout"] = job["timeout"]
    return records


def _range_of(properties: Json, index: int) -> Json | None:
    for entry in properties["nodeRangeProperties"]:
        first, separator, last = entry["targetNodes"].partition(":")
        begin = int(first or 0)
        end = (properties["numNodes"] - 1 if separator else begin) if last == "" else int(last)
        if begin <= index <= end:
            return entry
    return None
