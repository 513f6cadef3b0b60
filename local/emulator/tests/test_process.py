"""The emulator as a process: how it starts, how it ends, and that nothing survives it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness import ROOT, Batch, Emulator, alive, free_port, make_function, wait_until

FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, '-c', 'import time; time.sleep(60)']
own_session, same_session = subprocess.Popen(sleep, start_new_session=True), subprocess.Popen(sleep)
print(os.getpid(), os.getppid(), own_session.pid, same_session.pid, flush=True)
time.sleep(60)
"""


def family_of(emulator: Emulator) -> list[int]:
    """The processes of a job that ignores SIGTERM: itself, its supervisor, two children."""
    batch = Batch(emulator)
    batch.define("family", FAMILY)
    stream = batch.reached(batch.submit("family"), "RUNNING")["container"]["logStreamName"]
    [line] = wait_until(lambda: batch.lines(stream), what="the pids")
    return [int(pid) for pid in line.split()]


def worker_of(emulator: Emulator) -> int:
    """A Lambda worker that has a reason of its own to stay."""
    make_function(
        emulator, "stays", "setInterval(() => {}, 1000); export const handler = async () => process.pid;"
    )
    return int(emulator.client("lambda").invoke(FunctionName="stays")["Payload"].read())


def run(emulator: Emulator, *extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        emulator.command(*extra), env=emulator.environment(), capture_output=True, text=True, timeout=20
    )


def test_kill_9_leaves_no_process(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    pids = [*family_of(emulator), worker_of(emulator)]
    assert all(alive(pid) for pid in pids)
    emulator.stop(signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in pids), 2, "the end of every process")


def test_sigterm_stops_jobs_by_force_after_the_grace_period(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path, grace_seconds=0.5).start()
    pids = [*family_of(emulator), worker_of(emulator)]
    started = time.monotonic()
    assert emulator.stop(signal.SIGTERM) == 0
    assert 0.5 < time.monotonic() - started < 4
    assert not any(alive(pid) for pid in pids)


def test_a_job_told_to_stop_can_still_save(tmp_path: Path) -> None:
    code = """
import os, signal, sys, time, urllib.request
def save(*_):
    url = os.environ['AWS_ENDPOINT_URL'] + '/saved/checkpoint'
    urllib.request.urlopen(urllib.request.Request(url, data=b'weights', method='PUT'))
    sys.exit(0)
signal.signal(signal.SIGTERM, save); print('ready', flush=True)
while True: time.sleep(1)
"""
    emulator = Emulator(tmp_path, grace_seconds=10).start()
    emulator.client("s3").create_bucket(Bucket="saved")
    batch = Batch(emulator)
    batch.define("saves", code)
    stream = batch.reached(batch.submit("saves"), "RUNNING")["container"]["logStreamName"]
    wait_until(lambda: batch.lines(stream), what="ready")
    started = time.monotonic()
    assert emulator.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 4
    emulator.start()
    assert emulator.client("s3").get_object(Bucket="saved", Key="checkpoint")["Body"].read() == b"weights"
    emulator.stop()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    parent = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(60)
"""
    emulator = Emulator(tmp_path)
    command = [sys.executable, "-c", parent, *emulator.command("--exit-with-parent")]
    with subprocess.Popen(command, env=emulator.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        wait_until(emulator.health, 20, "health")
        family = family_of(emulator)
        process.kill()
    wait_until(lambda: not alive(pid), 8, "the end of the emulator")
    assert not any(alive(member) for member in family)


def test_a_busy_port(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", emulator.port))
        taken.listen()
        result = run(emulator)
    assert result.returncode == 3
    assert result.stderr.splitlines() == [
        f"Port {emulator.port} on 127.0.0.1 is not free (Address already in use); choose another."
    ]


def test_a_state_directory_in_use(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    assert emulator.process
    first = emulator.port
    for port in (first, free_port()):
        emulator.port = port
        result = run(emulator)
        assert result.returncode == 4
        holder = f"port {first}, process {emulator.process.pid}"
        said = f"An emulator already runs on {tmp_path}/state ({holder}); stop it first.\n"
        assert result.stderr == said
    emulator.port = first
    assert emulator.health()
    emulator.stop()


def test_another_version_of_ministack_is_refused(tmp_path: Path) -> None:
    metadata = tmp_path / "other" / "ministack-9.9.9.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: ministack\nVersion: 9.9.9\n")
    emulator = Emulator(tmp_path / "state")
    path = os.pathsep.join([str(tmp_path / "other"), str(ROOT)])
    result = subprocess.run(
        emulator.command(), env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=20
    )
    assert result.returncode == 2
    assert "MiniStack 9.9.9 is installed" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "images", ["not json", "[]", '{"a": {"entrypoint": ["python"]}}', '{"a": {"cwd": "/", "env": 1}}']
)
def test_an_images_file_that_cannot_be_used(tmp_path: Path, images: str) -> None:
    emulator = Emulator(tmp_path)
    emulator.images.write_text(images)
    result = run(emulator)
    assert result.returncode == 2
    assert result.stderr.startswith("--images: ")
    assert len(result.stderr.splitlines()) == 1


def test_only_loopback_is_served(tmp_path: Path) -> None:
    emulator = Emulator(tmp_path).start()
    assert emulator.process
    sockets = set()
    for link in Path(f"/proc/{emulator.process.pid}/fd").iterdir():
        target = os.readlink(link)
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in Path(table).read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[9] in sockets:
                listening.append(fields[1])
    assert listening == [f"0100007F:{emulator.port:04X}"]
    stats = emulator.get("/_roslin/stats")
    assert 20 < stats["memoryMiB"]["emulator"] < 200
    assert stats["memoryMiB"]["lambdaWorkers"] == 0
    emulator.client("sts").get_caller_identity()
    assert emulator.get("/_roslin/stats")["requests"] == {"total": 1, "byService": {"sts": 1}}
    health = emulator.get("/_roslin/health")
    assert health == {
        "ready": True,
        "pid": emulator.process.pid,
        "account": "000000000000",
        "region": "us-east-1",
        "jobSlots": 2,
    }
    emulator.stop()
