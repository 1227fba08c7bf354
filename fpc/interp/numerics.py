"""The named number contracts under which an integer graph has one exact meaning."""

from __future__ import annotations

import enum


class Numerics(enum.Enum):
    """How integer operators round; a target names one.

    TFLITE_REFERENCE is LiteRT's reference kernels, bit for bit. TFLITE_XNNPACK is LiteRT's default
    kernels (XNNPACK) on x86 and ARM. POW2 is accelerators that only shift: scales are powers of
    two, sums are rounded half up and saturated.
    """

    TFLITE_REFERENCE = "tflite-reference"
    TFLITE_XNNPACK = "tflite-xnnpack"
    POW2 = "pow2"
