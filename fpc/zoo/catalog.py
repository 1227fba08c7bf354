"""The zoo's networks by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.render import suggest
from fpc.ir.graph import Graph

NETWORKS: Mapping[str, str] = MappingProxyType(
    {
        "fpnet_pixel4": "foxpandanet:fpnet_pixel4",
        "fpnet_dsp": "foxpandanet:fpnet_dsp",
        "fpnet_fpga": "foxpandanet:fpnet_fpga",
    }
)
"""Name -> module of `fpc.zoo` and function in it; the function takes `resolution` and `seed`."""


def build(name: str, *, resolution: int | None = None, seed: int | None = None) -> Graph:
    """The network called `name`, at `resolution` (default: its own) pixels a side.

    Shapes only without a `seed`, see `NetworkBuilder`. `UsageError` for a name not in the zoo.
    """
    home = NETWORKS.get(name)
    if home is None:
        raise UsageError(
            "unknown-network",
            f"the zoo has no network `{name}`",
            help=suggest(name, NETWORKS, what="networks"),
        )
    module, function = home.split(":")
    make = cast(
        "Callable[..., Graph]", getattr(importlib.import_module(f"fpc.zoo.{module}"), function)
    )
    return make(seed=seed) if resolution is None else make(resolution=resolution, seed=seed)
