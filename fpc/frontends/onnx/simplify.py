"""onnxsim in a child process: it can crash, hang, or exceed protobuf's 2 GB."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

TIME_LIMIT_S = 120.0
_LARGEST_INPUT_BYTES = 1 << 30


class SimplificationFailed(Exception):  # noqa: N818 - the import goes on without it
    """onnxsim gave no model; the message says why, as the end of a sentence."""


def simplified(proto: ModelProto, *, time_limit_s: float = TIME_LIMIT_S) -> ModelProto:
    """`proto` with its constant parts folded by onnxsim.

    `SimplificationFailed` when the child process crashes, takes too long or writes no model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if proto.ByteSize() > _LARGEST_INPUT_BYTES:
        raise SimplificationFailed("the model is too large for it")
    with tempfile.TemporaryDirectory(prefix="fpc-onnxsim-") as folder:
        source, target = Path(folder, "in.onnx"), Path(folder, "out.onnx")
        source.write_bytes(proto.SerializeToString())
        command = [sys.executable, "-m", "fpc.frontends.onnx.simplify_child", source, target]
        try:
            outcome = subprocess.run(
                command,
                capture_output=True,
                check=False,
                timeout=time_limit_s,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        except subprocess.TimeoutExpired:
            raise SimplificationFailed(f"it took more than {time_limit_s:.0f} s") from None
        if outcome.returncode < 0:
            raise SimplificationFailed(f"it crashed with signal {-outcome.returncode}")
        if outcome.returncode > 0 or not target.exists():
            lines = outcome.stderr.decode("utf-8", errors="replace").strip().splitlines()
            raise SimplificationFailed(lines[-1] if lines else "it wrote no model")
        try:
            return onnx.ModelProto.FromString(target.read_bytes())
        except (DecodeError, OSError) as error:
            raise SimplificationFailed(f"its result cannot be read: {error}") from error
