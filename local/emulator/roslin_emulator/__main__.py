"""`python -m roslin_emulator`: see settings.py for what it takes."""

import asyncio
import fcntl
import importlib.metadata
import os
import resource
import socket
import sys
from typing import TextIO

from roslin_emulator import MINISTACK_VERSION
from roslin_emulator.images import Images, ImagesError
from roslin_emulator.settings import HOST, Settings, parse, prepare_environment

EXIT_USAGE = 2
EXIT_PORT_BUSY = 3
EXIT_STATE_IN_USE = 4
LOCK = "lock"
OPEN_FILES = 8192


def refusal() -> str | None:
    try:
        version = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        return f"MiniStack is not installed; install ministack=={MINISTACK_VERSION}."
    if version != MINISTACK_VERSION:
        return (
            f"MiniStack {version} is installed, but the embedded AWS is written for {MINISTACK_VERSION}; "
            f"install ministack=={MINISTACK_VERSION}."
        )
    return None


def bind(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, settings.port))
    return listener


def lock(settings: Settings) -> TextIO | None:
    """Two emulators on one state would overwrite each other's; the system frees the lock of one that dies."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    # Truncated once it is ours alone: until then it says who has it.
    file = open(settings.state_dir / LOCK, "a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(f"port {settings.port}, process {os.getpid()}")
    file.flush()
    return file


def allow_many_open_files() -> None:
    """Each part of a large upload is an open file until the upload is complete."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    settings = parse()
    if reason := refusal():
        print(reason, file=sys.stderr)
        return EXIT_USAGE
    try:
        Images(settings.images_file).load()
    except ImagesError as error:
        print(f"--images: {error}.", file=sys.stderr)
        return EXIT_USAGE
    # Before the port: the same one started twice is no other program on its port.
    held = lock(settings)
    if held is None:
        holder = (settings.state_dir / LOCK).read_text()
        print(f"An emulator already runs on {settings.state_dir} ({holder}); stop it first.", file=sys.stderr)
        return EXIT_STATE_IN_USE
    try:
        listener = bind(settings)
    except OSError as error:
        print(
            f"Port {settings.port} on {HOST} is not free ({error.strerror}); choose another.", file=sys.stderr
        )
        return EXIT_PORT_BUSY
    prepare_environment(settings)
    allow_many_open_files()
    # Not before the environment is prepared: this imports MiniStack.
    from roslin_emulator.server import Emulator

    async def run() -> None:
        await Emulator(settings).run(listener)

    asyncio.run(run())
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of executions and of Lambda calls that nobody waits for would hold up an ordinary exit.
    os._exit(code)
