"""What tests need that run TVM's aarch64 runtime under emulation."""

import pytest

from fpc.diagnostics.errors import MissingBackendError
from fpc.measure.emulation.emulator import TVM, ArmEmulator


def unavailable() -> str | None:
    """Why TVM cannot be run under emulated ARM here, or None when it can."""
    try:
        ArmEmulator.at_hand().require(TVM)
    except MissingBackendError as error:
        return f"{error.message}; {error.help}"
    return None


emulated = pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")
