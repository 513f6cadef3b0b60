"""The answers of AWS's services when they fail, each in its own words."""

import json
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Fault:
    status: int
    code: str
    message: str


THROTTLED = {
    "s3": Fault(503, "SlowDown", "Please reduce your request rate."),
    "dynamodb": Fault(
        400,
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your "
        "provisioning level with the UpdateTable API.",
    ),
    "states": Fault(400, "ThrottlingException", "Rate exceeded"),
    "batch": Fault(429, "TooManyRequestsException", "Too Many Requests"),
    "events": Fault(400, "ThrottlingException", "Rate exceeded"),
    "sns": Fault(400, "Throttling", "Rate exceeded"),
}
INTERNAL_ERROR = {
    "s3": Fault(500, "InternalError", "We encountered an internal error. Please try again."),
    "dynamodb": Fault(
        500, "InternalServerError", "The request processing has failed because of an unknown error."
    ),
    "batch": Fault(500, "ServerException", "An internal error has occurred."),
}
ANY_INTERNAL_ERROR = Fault(
    500, "InternalFailure", "The request processing has failed because of an unknown error."
)


def find(service: str, error: Literal["throttled", "internal-error"]) -> Fault:
    return THROTTLED[service] if error == "throttled" else INTERNAL_ERROR.get(service, ANY_INTERNAL_ERROR)


def render(service: str, fault: Fault) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body."""
    if service in ("s3", "sns"):
        error = f"<Code>{fault.code}</Code><Message>{fault.message}</Message>"
        body = (
            f"<Error>{error}</Error>"
            if service == "s3"
            else f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
        )
        return [
            (b"content-type", b"application/xml")
        ], f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode()
    headers = [(b"content-type", b"application/x-amz-json-1.0"), (b"x-amzn-errortype", fault.code.encode())]
    return headers, json.dumps({"__type": fault.code, "message": fault.message}).encode()
