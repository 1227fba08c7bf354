"""The latency tables of Once-for-All and ProxylessNAS: YAML, one entry a part of a network.

A key names the part and its sizes, `expanded_conv-input:56x56x32-output:28x28x48-expand:128-...`;
under it are the mean in milliseconds and a standard deviation (Once-for-All) or a variance
(ProxylessNAS). Tables that speak of squeeze-excite give the channels inside a block, the others
the ratio to those at its input, and know no nonlinearity but ReLU.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from fpc.costmodel.tables.inverted_residual import split
from fpc.costmodel.tables.network_part import NetworkPart, Role
from fpc.costmodel.tables.table import Entry, LatencyTable
from fpc.diagnostics.errors import CostModelError

_KEY = re.compile(
    r"(?P<role>\w+)-input:(?P<input>[\dx]+)-output:(?P<output>[\dx]+)"
    r"(-expand:(?P<expand>\d+)-kernel:(?P<kernel>\d)-stride:(?P<stride>\d)-idskip:(?P<skip>[01])"
    r"(-se:(?P<se>[01])-hs:(?P<hs>[01]))?)?"
)
_STEM_KERNEL, _STEM_STRIDE = 3, 2


def read_once_for_all(path: Path) -> LatencyTable[NetworkPart]:
    """The table at `path`; `CostModelError` (`cost.table-malformed`) when it holds something else.

    The file does not say on what its figures were measured.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = {_part(str(key)): _entry(value) for key, value in dict(document).items()}
    except (yaml.YAMLError, ValueError, TypeError, KeyError) as error:
        raise CostModelError(
            "table-malformed",
            f"{path} is no latency table of Once-for-All or ProxylessNAS",
            notes=[" ".join(str(error).split())],
            help="give a YAML file with entries such as `Conv-input:224x224x3-output:112x112x24: "
            "{mean: 0.99}`",
        ) from None
    return LatencyTable(path.name, f"that of {path.name}", entries, split)


def _part(key: str) -> NetworkPart:
    found = _KEY.fullmatch(key)
    if found is None:
        raise ValueError(f"`{key}` names no part of a network")
    role = Role(found["role"])
    start, end = _shape(found["input"]), _shape(found["output"])
    if (role is Role.BLOCK) != (found["expand"] is not None):
        raise ValueError(f"`{key}` does not say what is inside the part")
    if role is Role.STEM:
        return NetworkPart(role, start, end, kernel=_STEM_KERNEL, stride=_STEM_STRIDE)
    if role is not Role.BLOCK:
        return NetworkPart(role, start, end)
    width = int(found["expand"])
    return NetworkPart(
        role,
        start,
        end,
        width if found["se"] is not None else width * start[2],
        int(found["kernel"]),
        int(found["stride"]),
        found["skip"] == "1",
        found["se"] == "1",
        found["hs"] == "1",
    )


def _shape(text: str) -> tuple[int, int, int]:
    """Height, width and channels; a lone number is channels."""
    match [int(part) for part in text.split("x")]:
        case [channels]:
            return 1, 1, channels
        case [height, width, channels]:
            return height, width, channels
        case _:
            raise ValueError(f"`{text}` is no shape")


def _entry(value: Any) -> Entry:
    mean = float(value["mean"])
    deviation = value.get("std", math.sqrt(value["var"]) if "var" in value else None)
    if not (math.isfinite(mean) and mean > 0.0):
        raise ValueError(f"a mean of {mean} ms")
    return Entry(mean, None if deviation is None else float(deviation))
