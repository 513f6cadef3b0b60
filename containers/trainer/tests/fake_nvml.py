"""Makes fake_nvml.c a library, and runs the trainer where it is found instead of NVIDIA's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")


def build_fake_nvml(folder: Path) -> Path:
    """A folder with a libnvidia-ml.so.1: eight V100s, one hot, one mute, one that gets lost."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("there is no C compiler to make a fake NVML with")
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", folder / "libnvidia-ml.so.1", SOURCE]
    subprocess.run(command, check=True)
    return folder


def run_with(library: Path, arguments: list[str], **environment: str) -> subprocess.CompletedProcess:
    """A Python process: the loader reads its path only when a process starts."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(library),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            **environment,
        },
        capture_output=True,
        text=True,
    )
