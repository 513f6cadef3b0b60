"""A trainer that does nothing but keep the container contract: what is left is the cost of the flow itself.

Its first line says how many requests the embedded AWS had served when it began, and when that was.
"""

import json
import os
import time
import urllib.request

began_at = time.time()
with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/_roslin/stats") as answer:
    requests = json.load(answer)["requests"]["total"]
print(json.dumps({"beganAt": began_at, "requests": requests}), flush=True)

if os.environ["ROSLIN_STEP"] == "train":
    import boto3
    from botocore.config import Config

    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))

    def locate(uri: str) -> dict[str, str]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return {"Bucket": bucket, "Key": key}

    plan = json.load(s3.get_object(**locate(os.environ["ROSLIN_PLAN_URI"]))["Body"])
    manifest = {"kind": "model", "epoch": 1, "files": []}
    s3.put_object(**locate(plan["modelUri"] + "manifest.json"), Body=json.dumps(manifest))
