"""EC2's instance metadata service, version 2: a token by PUT, then GET.

Source: AWS, EC2 User Guide, "Use the Instance Metadata Service to access instance metadata".
"""

import os
import urllib.request
from urllib.error import HTTPError

DEFAULT_ENDPOINT = "http://169.254.169.254"
TIMEOUT_SECONDS = 2.0
TOKEN_SECONDS = 21_600


class InstanceMetadata:
    """What the machine knows of itself. Its methods raise OSError where the service does not answer."""

    def __init__(self):
        endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or DEFAULT_ENDPOINT
        self._root = f"{endpoint.rstrip('/')}/latest"
        # No proxy: the address is the machine's own.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._token = ""

    def renew_token(self) -> None:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        self._token = self._request("PUT", "api/token", headers)

    def get(self, path: str) -> str | None:
        """A document under meta-data/, or None where there is none."""
        try:
            return self._get(path)
        except HTTPError as error:
            if error.code != 401:
                raise
        self.renew_token()
        return self._get(path)

    def _get(self, path: str) -> str | None:
        try:
            return self._request("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": self._token})
        except HTTPError as error:
            if error.code == 404:
                return None
            raise

    def _request(self, method: str, path: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(f"{self._root}/{path}", method=method, headers=headers)
        with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            return response.read().decode()


def open_metadata() -> InstanceMetadata | None:
    """None where there is no such service, or AWS_EC2_METADATA_DISABLED forbids to ask it."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    try:
        metadata = InstanceMetadata()
        metadata.renew_token()
        return metadata
    except (OSError, ValueError):
        return None
