"""Measuring networks compiled by TVM on this machine."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from fpc.measure.process.runner import ProgramRunner


@dataclass(frozen=True)
class TvmRunner(ProgramRunner):
    """Measures artifacts of the back end tvm, given as zip archives."""

    program: tuple[str, ...] = (sys.executable, "-m", "fpc.measure.tvm.program")
