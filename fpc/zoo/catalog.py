"""The zoo's networks by name."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.render import suggest
from fpc.ir.graph import Graph

NETWORKS: Mapping[str, str] = MappingProxyType(
    {
        "accel_nasbench": "mnasnet:accel_nasbench",
        "efficientnet_lite0": "efficientnet_lite:efficientnet_lite0",
        "efficientnet_lite1": "efficientnet_lite:efficientnet_lite1",
        "efficientnet_lite2": "efficientnet_lite:efficientnet_lite2",
        "efficientnet_lite3": "efficientnet_lite:efficientnet_lite3",
        "efficientnet_lite4": "efficientnet_lite:efficientnet_lite4",
        "fox_nas": "foxpandanet:fox_nas",
        "mnasnet_a1": "mnasnet:mnasnet_a1",
        "mobilenet_v1": "mobilenet_v1:mobilenet_v1",
        "mobilenet_v2": "mobilenet_v2:mobilenet_v2",
        "mobilenet_v3_large": "mobilenet_v3:mobilenet_v3_large",
        "mobilenet_v3_large_minimalistic": "mobilenet_v3:mobilenet_v3_large_minimalistic",
        "mobilenet_v3_small": "mobilenet_v3:mobilenet_v3_small",
        "mobilenet_v3_small_minimalistic": "mobilenet_v3:mobilenet_v3_small_minimalistic",
        "nas_bench_201": "nas_bench_201:nas_bench_201",
        "ofa_mobilenet_v3": "ofa:ofa_mobilenet_v3",
        "ofa_proxyless": "ofa:ofa_proxyless",
        "fpnet_pixel4": "foxpandanet:fpnet_pixel4",
        "fpnet_dsp": "foxpandanet:fpnet_dsp",
        "fpnet_fpga": "foxpandanet:fpnet_fpga",
        "dmasking_f1": "dmasking:dmasking_f1",
        "dmasking_f4": "dmasking:dmasking_f4",
        "dmasking_l2_hs": "dmasking:dmasking_l2_hs",
        "dmasking_l3": "dmasking:dmasking_l3",
        "fasternet_t0": "fasternet:fasternet_t0",
        "fasternet_t1": "fasternet:fasternet_t1",
        "fasternet_t2": "fasternet:fasternet_t2",
        "fasternet_s": "fasternet:fasternet_s",
        "fbnet_a": "fbnet:fbnet_a",
        "fbnet_b": "fbnet:fbnet_b",
        "fbnet_c": "fbnet:fbnet_c",
        "fbnet_96": "fbnet:fbnet_96",
        "resnet18": "resnet:resnet18",
        "resnet50": "resnet:resnet50",
        "ssdlite": "ssdlite:ssdlite",
        "squeezenet_1_0": "squeezenet:squeezenet_1_0",
        "squeezenet_1_1": "squeezenet:squeezenet_1_1",
    }
)
"""Name -> module of `fpc.zoo` and function in it; the function takes `resolution` and `seed`."""

_SIZES = ("resolution", "width")


def names() -> tuple[str, ...]:
    """Every network of the zoo, by name."""
    return tuple(sorted(NETWORKS))


def options(name: str) -> Mapping[str, object]:
    """The keywords that `build` takes for this network, with their defaults; `UsageError`."""
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(_maker(name)).parameters.values()
    }


def build(
    name: str, *, resolution: int | None = None, seed: int | None = None, **others: object
) -> Graph:
    """The network called `name`, at `resolution` (default: its own) pixels a side.

    Shapes only without a `seed`, see `NetworkBuilder`. Some networks take more, such as `width`:
    see `options`. `UsageError` for a name not in the zoo, an option the network does not take, or
    a resolution or width that no network can have.
    """
    make = _maker(name)
    given = dict(others) if resolution is None else {"resolution": resolution, **others}
    taken = options(name)
    for option, value in given.items():
        if option not in taken:
            raise UsageError(
                "network-option",
                f"the network `{name}` has no option `{option}`",
                help=suggest(option, taken, what="options"),
            )
        if option in _SIZES and not _is_size(value):
            raise UsageError(
                "network-size",
                f"the network `{name}` cannot have {option} {value}",
                help=f"give a positive {option}; its own is {taken[option]}",
            )
    return make(seed=seed, **given)


def _is_size(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def _maker(name: str) -> Callable[..., Graph]:
    home = NETWORKS.get(name)
    if home is None:
        raise UsageError(
            "unknown-network",
            f"the zoo has no network `{name}`",
            help=suggest(name, NETWORKS, what="networks"),
        )
    module, function = home.split(":")
    return cast(
        "Callable[..., Graph]", getattr(importlib.import_module(f"fpc.zoo.{module}"), function)
    )
