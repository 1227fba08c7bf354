"""The ONNX front end: `load` turns a model file into an IR graph."""

from __future__ import annotations

from fpc.frontends.onnx.load import Imported, load

__all__ = ["Imported", "load"]
