"""Files that one process writes and another reads at any moment."""

from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """A reader sees all of it, or no file."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text)
    partial.replace(file)
