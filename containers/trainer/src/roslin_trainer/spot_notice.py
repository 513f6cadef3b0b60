"""The notice that Spot takes the machine back, about two minutes before it does.

Read from the instance metadata service, version 2: a token by PUT, then GET.
Source: AWS, EC2 User Guide, "Spot Instance interruption notices".
"""

import json
import os
import threading
import urllib.request
from collections.abc import Callable
from datetime import datetime
from urllib.error import HTTPError

from roslin_trainer.log import log
from roslin_trainer.signals import StopNotice

DEFAULT_ENDPOINT = "http://169.254.169.254"
POLL_SECONDS = 5.0
TIMEOUT_SECONDS = 2.0
TOKEN_SECONDS = 21_600
NOTICE_PATH = "/latest/meta-data/spot/instance-action"
REBALANCE_PATH = "/latest/meta-data/events/recommendations/rebalance"


class SpotWatch:
    """Polls in a background thread. Silent and off where there is no metadata service, or none is wanted."""

    def __init__(self, on_notice: Callable[[StopNotice], None], poll_seconds: float = POLL_SECONDS):
        self._on_notice = on_notice
        self._poll_seconds = poll_seconds
        self._endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", DEFAULT_ENDPOINT).rstrip("/")
        # No proxy: the address is the machine's own.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._token = ""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spot-watch", daemon=True)

    def __enter__(self) -> "SpotWatch":
        if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true":
            self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._closed.set()

    def _run(self) -> None:
        try:
            self._renew_token()
        except OSError:
            return
        is_rebalance_known = False
        while not self._closed.wait(self._poll_seconds):
            try:
                if notice := self._get(NOTICE_PATH):
                    self._on_notice(_stop_notice(notice))
                    return
                if not is_rebalance_known and (recommendation := self._get(REBALANCE_PATH)):
                    is_rebalance_known = True
                    log(f"Spot may soon take the machine back (rebalance recommendation {recommendation})")
            except (OSError, ValueError, KeyError):
                # The service was busy or said nonsense: the next answer counts.
                continue

    def _get(self, path: str) -> str | None:
        """None where there is no such document (404)."""
        try:
            return self._request("GET", path, {"X-aws-ec2-metadata-token": self._token})
        except HTTPError as error:
            if error.code == 401:
                self._renew_token()
            elif error.code != 404:
                raise
            return None

    def _renew_token(self) -> None:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        self._token = self._request("PUT", "/latest/api/token", headers)

    def _request(self, method: str, path: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(self._endpoint + path, method=method, headers=headers)
        with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            return response.read().decode()


def _stop_notice(document: str) -> StopNotice:
    """From `{"action": "terminate", "time": "2026-11-24T10:00:00Z"}`."""
    notice = json.loads(document)
    ends_at = datetime.fromisoformat(notice["time"].replace("Z", "+00:00"))
    return StopNotice(f"Spot takes the machine back at {notice['time']}", ends_at.timestamp())
