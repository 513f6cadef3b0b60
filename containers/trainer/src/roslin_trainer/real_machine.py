"""machines/<job>.json: which machine the job really got, and what it costs, as the machine and EC2 say."""

import json
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from roslin_trainer.files import write_whole
from roslin_trainer.instance_metadata import open_metadata
from roslin_trainer.log import log
from roslin_trainer.nodes import job_id, read_nodes
from roslin_trainer.storage import Folder

CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class RealMachine:
    """`purchase` is spot or on-demand. The price is Spot's at this moment; None for others, and unknown."""

    instance_type: str
    purchase: str
    availability_zone: str
    instance_id: str
    price_usd_per_hour: float | None

    def to_json(self) -> bytes:
        """The content of machines/<job>.json (core/run-files.ts)."""
        content = {
            "instanceType": self.instance_type,
            "purchase": self.purchase,
            "availabilityZone": self.availability_zone,
            "instanceId": self.instance_id,
            "priceUsdPerHour": self.price_usd_per_hour,
        }
        return json.dumps(content, indent=1).encode()

    def __str__(self) -> str:
        price = "" if self.price_usd_per_hour is None else f", ${self.price_usd_per_hour:.4f} an hour now"
        return f"{self.instance_type} {self.purchase} in {self.availability_zone}{price} ({self.instance_id})"


class MachineReport:
    """Reads and writes beside the step, which it neither holds up nor fails. The main node's alone.

    `price_file` gets the price in dollars an hour, once it is known: training's budget reads it there.
    """

    def __init__(self, run_folder: Folder, price_file: Path):
        self._folder = run_folder
        self._price_file = price_file
        self._job = job_id()
        self._thread = threading.Thread(target=self._run, name="machine", daemon=True)

    def __enter__(self) -> "MachineReport":
        if self._job and read_nodes().is_main:
            self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        try:
            machine = read_real_machine()
            if machine is None:
                return
            log(f"machine: {machine}")
            if machine.price_usd_per_hour is not None:
                write_whole(self._price_file, str(machine.price_usd_per_hour))
            self._folder.write(f"machines/{self._job}.json", machine.to_json())
        except Exception as error:
            log(f"machine: {error}; the step goes on, and counts the plan's price")


def read_real_machine() -> RealMachine | None:
    """None where there is no metadata service. Raises OSError where it stops to answer."""
    metadata = open_metadata()
    if metadata is None:
        return None
    paths = ("instance-type", "instance-life-cycle", "placement/availability-zone", "instance-id")
    kind, life_cycle, zone, instance = (metadata.get(path) for path in paths)
    if not (kind and zone and instance):
        return None
    purchase = "spot" if life_cycle == "spot" else "on-demand"
    region = metadata.get("placement/region")
    price = spot_price_usd_per_hour(kind, zone, region) if purchase == "spot" else None
    return RealMachine(kind, purchase, zone, instance, price)


def spot_price_usd_per_hour(instance_type: str, zone: str, region: str | None) -> float | None:
    """The newest price of a zone; None where EC2 does not tell it."""
    try:
        answer = ec2_client(region).describe_spot_price_history(
            InstanceTypes=[instance_type],
            ProductDescriptions=["Linux/UNIX"],
            AvailabilityZone=zone,
            # From now on: the one price that holds.
            StartTime=datetime.now(timezone.utc),
        )
        newest = max(answer["SpotPriceHistory"], key=lambda price: price["Timestamp"], default=None)
        return float(newest["SpotPrice"]) if newest else None
    except (BotoCoreError, ClientError) as error:
        log(f"machine: EC2 does not tell the Spot price: {error}")
        return None


def ec2_client(region: str | None):
    config = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=5)
    return boto3.client("ec2", region_name=region, config=config)
