"""MiniStack keeps its stores per account and region, and finds both in the current context."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ministack.core.responses import get_account_id, get_region, request_scope


@dataclass(frozen=True)
class Scope:
    account: str
    region: str

    @staticmethod
    def current() -> "Scope":
        return Scope(get_account_id(), get_region())

    @staticmethod
    def of_arn(arn: str) -> "Scope":
        _, _, _, region, account, *_ = arn.split(":")
        return Scope(account, region)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """For threads of ours, which no request gave a context."""
        with request_scope(self.account, self.region):
            yield
