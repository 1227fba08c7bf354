"""TFLite: `emit` writes a graph as a .tflite file, `read` gives back what a file says."""

from __future__ import annotations

from fpc.backends.tflite.emitter import emit
from fpc.backends.tflite.reader import read

__all__ = ["emit", "read"]
