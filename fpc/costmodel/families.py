"""The feature families by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpc.costmodel.cpu_features import CPU
from fpc.costmodel.dpu_features import DPU
from fpc.costmodel.features import FeatureFamily
from fpc.diagnostics.errors import CostModelError
from fpc.diagnostics.render import suggest

FAMILIES: Mapping[str, FeatureFamily] = MappingProxyType({CPU.name: CPU, DPU.name: DPU})


def family(name: str) -> FeatureFamily:
    """The family called `name`; `CostModelError` when there is none."""
    found = FAMILIES.get(name)
    if found is None:
        raise CostModelError(
            "unknown-features",
            f"there is no feature family `{name}`",
            help=suggest(name, FAMILIES, what="families"),
        )
    return found
