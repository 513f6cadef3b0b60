"""The machine around the GPUs."""

import os
import urllib.request
from typing import NamedTuple
from urllib.error import URLError

import psutil

MIB = 2**20
METADATA_SECONDS = 1.0


class HostSample(NamedTuple):
    """All processors together, since the last sample; memory that is in use and cannot be given back."""

    cpu_percent: float
    memory_mib: float


def sample_host() -> HostSample:
    memory = psutil.virtual_memory()
    return HostSample(psutil.cpu_percent(), (memory.total - memory.available) / MIB)


def cpu_count() -> int:
    return psutil.cpu_count() or 1


def memory_mib() -> int:
    return round(psutil.virtual_memory().total / MIB)


def instance_type() -> str | None:
    """As EC2's metadata service (version 2: a token first) says; None where there is no such service."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    try:
        token = _metadata("PUT", "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        return _metadata("GET", "meta-data/instance-type", {"X-aws-ec2-metadata-token": token})
    except (URLError, OSError, ValueError):
        return None


def _metadata(method: str, path: str, headers: dict[str, str]) -> str:
    endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
    request = urllib.request.Request(f"{endpoint.rstrip('/')}/latest/{path}", method=method, headers=headers)
    # The address is the machine's own: a proxy would know another one's, or nothing.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=METADATA_SECONDS) as response:
        return response.read().decode()
