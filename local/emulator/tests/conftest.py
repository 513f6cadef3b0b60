from collections.abc import Iterator

import pytest

from tests.harness import Batch, Emulator


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator")).start()
    yield emulator
    emulator.stop()


@pytest.fixture(scope="module")
def batch(emulator: Emulator) -> Batch:
    return Batch(emulator)
