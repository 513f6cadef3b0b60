"""The kinds of rules, one class each. A field that is left out narrows nothing."""

import fnmatch
from dataclasses import dataclass
from typing import Any, Literal

Purchase = Literal["spot", "on-demand"]


@dataclass(frozen=True)
class JobFacts:
    """What rules know of a Batch job. `text` holds its name, parameters and tags."""

    text: str
    queue: str
    instance_types: tuple[str, ...]
    purchase: Purchase
    step: str | None
    # Of a job of several nodes: which of them; None for the job itself.
    node: int | None = None


@dataclass(frozen=True)
class RequestFacts:
    """`text` is the path and, but for S3, the body."""

    service: str
    operation: str
    key: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`run`: the run's id, or any other text that occurs in what the rule is about.
    `times`: how often it applies; without it, until it is taken away."""

    run: str | None = None
    times: int | None = None

    def is_about(self, text: str) -> bool:
        return self.run is None or self.run in text


@dataclass(frozen=True, kw_only=True)
class JobRule(Rule):
    """`queue` and `instance_type` may have wildcards (*, ?)."""

    queue: str | None = None
    instance_type: str | None = None
    purchase: Purchase | None = None
    step: Literal["prepare", "train", "evaluate"] | None = None
    node: int | None = None

    def applies_to(self, job: JobFacts) -> bool:
        return (
            self.is_about(job.text)
            and (self.queue is None or fnmatch.fnmatchcase(job.queue, self.queue))
            and (self.instance_type is None or self.has_type(job.instance_types))
            and self.purchase in (None, job.purchase)
            and self.step in (None, job.step)
            and self.node in (None, job.node)
        )

    def has_type(self, types: tuple[str, ...]) -> bool:
        """A job runs on the first of its queue's types."""
        return fnmatch.fnmatchcase(types[0] if types else "", self.instance_type or "*")


@dataclass(frozen=True, kw_only=True)
class NoCapacity(JobRule):
    reason: Literal["insufficient-capacity", "max-vcpus", "no-matching-instance", "vcpu-quota"] = (
        "insufficient-capacity"
    )

    def has_type(self, types: tuple[str, ...]) -> bool:
        """A queue that could take another type is not blocked."""
        pattern = self.instance_type or "*"
        return bool(types) and all(fnmatch.fnmatchcase(name, pattern) for name in types)


@dataclass(frozen=True, kw_only=True)
class ReclaimHost(JobRule):
    after_seconds: float = 0
    notice_seconds: float = 120
    silent: bool = False


@dataclass(frozen=True, kw_only=True)
class KillJob(JobRule):
    after_seconds: float = 0
    out_of_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class SlowStart(JobRule):
    seconds: float


@dataclass(frozen=True, kw_only=True)
class NoImage(JobRule):
    pass


@dataclass(frozen=True, kw_only=True)
class TimeOut(JobRule):
    """The job's own timeout, early: Batch has none below a minute."""

    after_seconds: float


@dataclass(frozen=True, kw_only=True)
class FailRequest(Rule):
    """`key`: how the key of an S3 object begins. `carried_out`: the service does as asked, and
    only then fails."""

    service: Literal["s3", "dynamodb", "states", "batch", "events", "sns"]
    error: Literal["throttled", "internal-error", "reset"]
    operation: str | None = None
    key: str | None = None
    carried_out: bool = False

    def applies_to(self, request: RequestFacts) -> bool:
        return (
            request.service == self.service
            and (self.operation is None or request.operation.lower() == self.operation.lower())
            and (self.key is None or request.key.startswith(self.key))
            and self.is_about(request.text)
        )


@dataclass(frozen=True, kw_only=True)
class DisturbEvent(Rule):
    action: Literal["drop", "duplicate", "delay"]
    detail_type: str | None = None
    status: str | None = None
    delay_seconds: float = 1

    def applies_to(self, detail_type: str, detail: dict[str, Any], text: str) -> bool:
        return (
            self.detail_type in (None, detail_type)
            and self.status in (None, detail.get("status"))
            and self.is_about(text)
        )


@dataclass(frozen=True, kw_only=True)
class KillFunction(Rule):
    """`function`: a part of its name. Either `before_write` or `after_writes` is given; they count from 1."""

    function: str
    before_write: int | None = None
    after_writes: int | None = None
    times: int | None = 1

    def applies_to(self, function: str, event: str) -> bool:
        return self.function in function and self.is_about(event)


KINDS: dict[str, type[Rule]] = {
    "no-capacity": NoCapacity,
    "reclaim-host": ReclaimHost,
    "kill-job": KillJob,
    "slow-start": SlowStart,
    "no-image": NoImage,
    "time-out": TimeOut,
    "fail-request": FailRequest,
    "disturb-event": DisturbEvent,
    "kill-function": KillFunction,
}
