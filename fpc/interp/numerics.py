"""The named number contracts under which an integer graph has one exact meaning."""

from __future__ import annotations

import enum


class Numerics(enum.Enum):
    """How integer operators round; a target names one.

    TFLITE_REFERENCE is LiteRT's reference kernels, bit for bit. TFLITE_XNNPACK is LiteRT's default
    kernels (XNNPACK) on x86 and ARM.
    """

    TFLITE_REFERENCE = "tflite-reference"
    TFLITE_XNNPACK = "tflite-xnnpack"
