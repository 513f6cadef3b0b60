"""Chaos over HTTP: GET shows it, PUT replaces it, POST adds to it, DELETE ends it."""

import json
from typing import Any

from roslin_emulator.chaos.parse import ChaosError, parse
from roslin_emulator.chaos.state import Chaos

PATH = "/_roslin/chaos"


def answer(chaos: Chaos, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Status and JSON."""
    try:
        if method == "PUT":
            chaos.set(*parse(json.loads(body)))
        elif method == "POST":
            chaos.add(*parse(json.loads(body)))
        elif method == "DELETE":
            chaos.set([], None)
        elif method != "GET":
            return 405, {"message": f"{method} is none of GET, PUT, POST and DELETE"}
    except ValueError as error:
        return 400, {"message": f"the body is not JSON: {error}"}
    except ChaosError as error:
        return 400, {"message": str(error)}
    return 200, chaos.shown()
