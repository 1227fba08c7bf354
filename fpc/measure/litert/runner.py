"""Measuring on this machine in LiteRT."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from fpc.measure.process.runner import ProgramRunner


@dataclass(frozen=True)
class LiteRtRunner(ProgramRunner):
    """Measures .tflite files in LiteRT as it is installed here."""

    program: tuple[str, ...] = (sys.executable, "-m", "fpc.measure.litert.program")
