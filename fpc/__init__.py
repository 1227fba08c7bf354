"""A compiler-style graph optimiser and int8 quantiser for CNNs on small devices.

    import fpc

    compiled = fpc.compile("model.onnx", target="rpi4-arm", precision="int8", calibration="images/")
    compiled.write("model-rpi4-arm")

The names below are the public API; they are imported when first used, so that `import fpc` costs
nothing.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpc.api import (
        compile,  # noqa: A004 - the field's word
        load,
        optimize,
        quantize,
        to_relax,
    )
    from fpc.diagnostics.errors import FpcError
    from fpc.driver.compile import Compiled
    from fpc.driver.phases.quantise import Quantised
    from fpc.frontends.samples import Preprocessing
    from fpc.ir.graph import Graph
    from fpc.measure.tvm.model import TvmModel
    from fpc.targets.catalog import load as load_target
    from fpc.targets.description import Target

__version__ = "0.1.0"

_HOMES = MappingProxyType(
    {
        "Compiled": "fpc.driver.compile",
        "FpcError": "fpc.diagnostics.errors",
        "Graph": "fpc.ir.graph",
        "Preprocessing": "fpc.frontends.samples",
        "Quantised": "fpc.driver.phases.quantise",
        "Target": "fpc.targets.description",
        "TvmModel": "fpc.measure.tvm.model",
        "compile": "fpc.api",
        "load": "fpc.api",
        "load_target": "fpc.targets.catalog:load",
        "optimize": "fpc.api",
        "quantize": "fpc.api",
        "to_relax": "fpc.api",
    }
)

__all__ = [
    "Compiled",
    "FpcError",
    "Graph",
    "Preprocessing",
    "Quantised",
    "Target",
    "TvmModel",
    "__version__",
    "compile",
    "load",
    "load_target",
    "optimize",
    "quantize",
    "to_relax",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fpc' has no attribute '{name}'")
    module, _, attribute = home.partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
