"""Files of models that commands take as they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fpc.diagnostics.errors import UsageError

_SUFFIXES = (".onnx", ".tflite")


def require_model_files(paths: Iterable[Path], command: str) -> None:
    """`UsageError` unless all are .onnx or .tflite files, asked before any work for `command`."""
    for path in paths:
        if not path.is_file():
            raise UsageError(
                "model-missing", f"there is no file {path}", help="check the path of the model"
            )
        if path.suffix not in _SUFFIXES:
            raise UsageError(
                "model-format",
                f"{path}: cannot {command} `{path.suffix}` files",
                help=f"{command} takes .onnx and .tflite files",
            )
