"""From a container image's name to the process that stands for it on this machine."""

import fnmatch
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Image:
    cwd: str
    entrypoint: list[str]
    env: dict[str, str] = field(default_factory=dict)

    def argv(self, command: list[str]) -> list[str]:
        argv = [*self.entrypoint, *command]
        if argv and argv[0] == "python":
            argv[0] = sys.executable
        return argv


class ImagesError(Exception):
    """The images file cannot be used."""


def _image(pattern: str, entry: Any) -> Image:
    if not isinstance(entry, dict):
        raise ImagesError(f"{pattern!r} must be an object with cwd, entrypoint and env, not {entry!r}")
    cwd, entrypoint, env = entry.get("cwd"), entry.get("entrypoint", []), entry.get("env", {})
    if not isinstance(cwd, str):
        raise ImagesError(f"{pattern!r} needs a cwd, not {cwd!r}")
    if not isinstance(entrypoint, list) or not all(isinstance(word, str) for word in entrypoint):
        raise ImagesError(f"{pattern!r} needs a list of strings as entrypoint, not {entrypoint!r}")
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise ImagesError(f"{pattern!r} needs an env of strings, not {env!r}")
    return Image(cwd, entrypoint, env)


class Images:
    """Read anew for each job, so that a changed file needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Image]:
        try:
            patterns = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ImagesError(f"cannot read {self._path}: {error}") from error
        if not isinstance(patterns, dict):
            raise ImagesError(f"{self._path} must hold an object of image name patterns")
        return {pattern: _image(pattern, entry) for pattern, entry in patterns.items()}

    def find(self, name: str) -> Image | None:
        for pattern, image in self.load().items():
            if fnmatch.fnmatchcase(name, pattern):
                return image
        return None
