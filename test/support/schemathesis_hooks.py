"""Signs Schemathesis's requests, and lets every second one name something that is there: what is answered then has
more to be held to than a 404."""

import itertools
import json
import os
from typing import Any

import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session
from requests import PreparedRequest
from requests.auth import AuthBase

credentials = Session().get_credentials()
# Path parameter → its value.
known: dict[str, str] = json.loads(os.environ["ROSLIN_KNOWN"])
turns = itertools.count()


class SigV4(AuthBase):
    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        signed = AWSRequest(request.method, request.url, data=request.body)
        SigV4Auth(credentials, "execute-api", os.environ["AWS_REGION"]).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        return request


schemathesis.auth.set_from_requests(SigV4())


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    # What is taken away is not there for the next.
    if not path_parameters or context.operation.method == "delete" or next(turns) % 2:
        return path_parameters
    return path_parameters | {name: known[name] for name in path_parameters}
