"""Prints what the emulated machine is; importing LiteRT proves that the root is usable."""

import importlib.metadata
import platform
import sys

import ai_edge_litert.interpreter
import numpy as np

assert ai_edge_litert.interpreter is not None
print(
    f"{platform.machine()}, Python {sys.version.split()[0]}, numpy {np.__version__}, "
    f"LiteRT {importlib.metadata.version('ai-edge-litert')}"
)
