"""What the command line says, and the process environment that MiniStack reads when it is imported."""

import argparse
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from roslin_emulator.object_files import finish_writes

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
HOST = "127.0.0.1"

# What the emulator, its Lambda workers and its jobs inherit from the person's shell. Nothing else: an
# AWS_PROFILE or AWS_ENDPOINT_URL of theirs would send a local run to a real account.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES")

# A Node worker takes 45-75 MB. Invocations beyond this wait for a free one (workarounds.py).
LAMBDA_CONCURRENCY = 8
LAMBDA_IDLE_SECONDS = 30


@dataclass(frozen=True)
class Settings:
    port: int
    state_dir: Path
    images_file: Path
    job_slots: int
    stop_grace_seconds: float
    exit_with_parent: bool
    keeps_state: bool = True

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"


def parse(argv: list[str] | None = None) -> Settings:
    parser = argparse.ArgumentParser(prog="roslin_emulator", description="The embedded AWS.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="JSON file: image name pattern to process")
    parser.add_argument("--job-slots", type=int, default=1, help="how many Batch jobs run at a time")
    parser.add_argument("--stop-grace-seconds", type=float, default=30, help="from SIGTERM to SIGKILL")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when stdin is closed")
    parser.add_argument(
        "--forget", action="store_true", help="write nothing of the state to disk: for benches"
    )
    args = parser.parse_args(argv)
    if args.job_slots < 1:
        parser.error(f"--job-slots is {args.job_slots}; it must be at least 1")
    if args.stop_grace_seconds < 0:
        parser.error(f"--stop-grace-seconds is {args.stop_grace_seconds}; it must not be negative")
    return Settings(
        port=args.port,
        state_dir=args.state_dir.absolute(),
        images_file=args.images.absolute(),
        job_slots=args.job_slots,
        stop_grace_seconds=args.stop_grace_seconds,
        exit_with_parent=args.exit_with_parent,
        keeps_state=not args.forget,
    )


def aws_environment(settings: Settings) -> dict[str, str]:
    """What makes an AWS SDK talk to this emulator and to nothing else."""
    return {
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # MiniStack takes a 12-digit access key as the account to act in.
        "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def prepare_environment(settings: Settings) -> None:
    """Must run before the first import of MiniStack, which reads these while it is imported."""
    # What Lambda workers and uploads leave here when the emulator is killed goes with the next start. It is
    # on the file system of the state, so that an upload becomes an object by getting another name.
    temporary = settings.state_dir / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    # A Lambda worker's script is CommonJS; below a package of ES modules Node would take it for one.
    (temporary / "package.json").write_text('{"type": "commonjs"}')
    tempfile.tempdir = str(temporary)
    objects = settings.state_dir / "s3"
    finish_writes(objects)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    os.environ.clear()
    os.environ.update(inherited)
    os.environ.update(aws_environment(settings))
    os.environ.update(
        {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(settings.port),
            "MINISTACK_HOST": "localhost",
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "MINISTACK_REGION": REGION,
            "LOG_LEVEL": "WARNING",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(settings.state_dir / "services"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(objects),
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(LAMBDA_CONCURRENCY),
            "LAMBDA_WARM_TTL_SECONDS": str(LAMBDA_IDLE_SECONDS),
            # Listeners on fixed ports that nothing here needs.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # MiniStack removes containers it believes to be its own; a person's docker is not ours to touch.
            "DOCKER_HOST": f"unix://{settings.state_dir}/no-docker.sock",
        }
    )
