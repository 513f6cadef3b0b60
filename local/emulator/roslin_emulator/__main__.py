"""`python -m roslin_emulator`: see settings.py for what it takes."""

import asyncio
import importlib.metadata
import os
import socket
import sys

from roslin_emulator import MINISTACK_VERSION
from roslin_emulator.images import Images, ImagesError
from roslin_emulator.settings import HOST, Settings, parse, prepare_environment

EXIT_USAGE = 2
EXIT_PORT_BUSY = 3


def refusal() -> str | None:
    try:
        version = importlib.metadata.version("ministack")
    except importlib.metadata.PackageNotFoundError:
        return f"MiniStack is not installed; install ministack=={MINISTACK_VERSION}."
    if version != MINISTACK_VERSION:
        return (
            f"MiniStack {version} is installed, but the embedded AWS is written for {MINISTACK_VERSION} only; "
            f"install ministack=={MINISTACK_VERSION}."
        )
    return None


def bind(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, settings.port))
    return listener


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
    try:
        listener = bind(settings)
    except OSError as error:
        print(
            f"Port {settings.port} on {HOST} is not free ({error.strerror}); choose another.", file=sys.stderr
        )
        return EXIT_PORT_BUSY
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    prepare_environment(settings)
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
