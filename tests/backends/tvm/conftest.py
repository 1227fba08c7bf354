"""What several tests of the TVM back end start once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.tvm.farm import Farm


@pytest.fixture(scope="module")
def farm() -> Iterator[Farm]:
    """A farm with one board, of the key `steady`."""
    pytest.importorskip("tornado", reason="TVM's tracker needs tornado")
    farm = Farm.start()
    try:
        farm.add_boards("steady")
        yield farm
    finally:
        farm.stop()
