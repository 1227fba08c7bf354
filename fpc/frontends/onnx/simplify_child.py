"""The child process of `fpc.frontends.onnx.simplify`: reads a model, writes it simplified.

    python -m fpc.frontends.onnx.simplify_child IN OUT

Only constants are folded and shapes propagated. The rewriting that onnxsim offers besides stays
off: it would merge batch norms, whose statistics data-free calibration needs, and scatter the
factor 1/2 of a spelt-out GELU into its neighbours, where nobody recognises it any more.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Simplify the model at the first path into the second."""
    import onnx
    import onnx.shape_inference

    modules: dict[str, Any] = sys.modules
    modules["torch"] = None  # onnxsim would import it where it finds it, which takes seconds
    onnxsim: Any = importlib.import_module("onnxsim")  # it ships no usable type information
    source, target = map(Path, sys.argv[1:3])
    proto = onnx.ModelProto.FromString(source.read_bytes())
    proto = onnx.shape_inference.infer_shapes(proto)  # onnxsim wants outputs with shapes
    simplified, _ = onnxsim.simplify(proto, check_n=0, perform_optimization=False)
    target.write_bytes(simplified.SerializeToString())


if __name__ == "__main__":
    main()
