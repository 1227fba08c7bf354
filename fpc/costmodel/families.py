"""The feature families by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpc.costmodel.cpu_features import CPU
from fpc.costmodel.dpu_features import DPU
from fpc.costmodel.features import FeatureFamily
from fpc.costmodel.hvx_features import HVX
from fpc.costmodel.xnnpack_features import AMX, AVX2, AVX512, AVX_VNNI
from fpc.diagnostics.errors import CostModelError
from fpc.diagnostics.render import suggest

AUTO = "auto"
_CPUS = (CPU, AMX, AVX512, AVX_VNNI, AVX2)
FAMILIES: Mapping[str, FeatureFamily] = MappingProxyType(
    {known.name: known for known in (*_CPUS, DPU, HVX)}
)


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


def candidates(name: str) -> tuple[FeatureFamily, ...]:
    """The family called `name`, or every family for CPUs when it is `auto`."""
    return _CPUS if name == AUTO else (family(name),)
