"""Step Functions' optimised integration with API Gateway: apigateway:invoke, of an API of this emulator."""

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

from ministack.services import stepfunctions as sfn

from roslin_emulator.settings import ACCOUNT_ID, REGION

RESOURCE = "arn:aws:states:::apigateway:invoke"
TIMEOUT_SECONDS = 60


def install(endpoint: str) -> None:
    """`endpoint` is the emulator's own: it takes the API's id in the path."""

    def invoke(_resource: str, arguments: dict[str, Any]) -> dict[str, Any]:
        # Loaded when it is needed: the emulator is small and starts quickly without.
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        body = arguments.get("RequestBody")
        request = AWSRequest(
            method=arguments["Method"],
            url=_url(endpoint, arguments),
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"}
            | {name: ",".join(values) for name, values in arguments.get("Headers", {}).items()},
        )
        if arguments.get("AuthType") == "IAM_ROLE":
            # In the role's place: roles have no keys here.
            SigV4Auth(Credentials(ACCOUNT_ID, "embedded"), "execute-api", REGION).add_auth(request)
        signed = urllib.request.Request(
            request.url, request.data, dict(request.headers.items()), method=request.method
        )
        try:
            with urllib.request.urlopen(signed, timeout=TIMEOUT_SECONDS) as answer:
                return {
                    "StatusCode": answer.status,
                    "StatusText": answer.reason,
                    "Headers": {name: [value] for name, value in answer.headers.items()},
                    "ResponseBody": _value(answer.read().decode()),
                }
        except urllib.error.HTTPError as error:
            raise sfn._ExecutionError(f"ApiGateway.{error.code}", error.read().decode()) from error

    sfn._SERVICE_DISPATCH[RESOURCE] = invoke


def _url(endpoint: str, arguments: dict[str, Any]) -> str:
    api_id = arguments["ApiEndpoint"].split(".")[0]
    query = urlencode(arguments.get("QueryParameters", {}), doseq=True)
    path = quote(arguments.get("Path", "/"))
    return f"{endpoint}/_aws/execute-api/{api_id}{path}{'?' + query if query else ''}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
