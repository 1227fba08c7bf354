"""The operator tables of FBNet and ChamNet: JSON, one record an operator with its shapes.

A record has `op_type` (Caffe2's name), `op_args` (Caffe2's arguments as protobuf text, or an
object), `input_shapes` (activations, weights, bias) and microseconds: `runtime_us_p50` with other
percentiles beside it, or `microseconds`. Records stand one a line, as published, or in a list.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from fpc.costmodel.tables.operator import POOLS, CaffeOperator, split
from fpc.costmodel.tables.table import Entry, LatencyTable
from fpc.diagnostics.errors import CostModelError

_INTEGER = "Int8"
_NHWC = "NHWC"
_ARGUMENT = re.compile(r'name:\s*"(?P<name>\w+)"\s*(?:i:\s*(?P<number>-?\d+)|s:\s*"(?P<text>\w*)")')
_P10_TO_P90 = 2 * 1.2816
"""Standard deviations from the 10th to the 90th percentile of a normal distribution."""
_SAME: Mapping[str, str] = MappingProxyType({"Add": "Sum"})
_LEFT_OUT = (
    "padding is not looked at, and turning the image into the network's input is not counted"
)


def read_fbnet(path: Path, precision: str) -> LatencyTable[CaffeOperator]:
    """The records of `precision` at `path`: int8 operators or float ones, which one file may hold.

    Of records of one operator the mean counts, as where the table comes from. `CostModelError`
    (`cost.table-malformed`, `cost.table-precision`).
    """
    try:
        records = [_record(record) for record in _records(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise CostModelError(
            "table-malformed",
            f"{path} is no table of operators",
            notes=[f"{type(error).__name__}: {error}"],
            help="give JSON records with op_type, op_args, input_shapes and runtime_us_p50 or "
            "microseconds",
        ) from None
    chosen = [(part, entry) for is_int8, part, entry in records if is_int8 == (precision == "int8")]
    if not chosen:
        raise CostModelError(
            "table-precision",
            f"{path} has no {precision} operators",
            help="--float reads the float operators of a table, without it the int8 ones are read",
        )
    return LatencyTable(
        path.name,
        f"that of {path.name}, {precision}",
        _means(chosen),
        split,
        notes=(_LEFT_OUT,),
    )


def _records(text: str) -> Iterable[Mapping[str, Any]]:
    is_list = text.lstrip().startswith("[")
    lines = [line for line in text.splitlines() if line.strip()]
    records = json.loads(text) if is_list else [json.loads(line) for line in lines]
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("a record is not an object")
    return records


def _record(record: Mapping[str, Any]) -> tuple[bool, CaffeOperator, Entry]:
    arguments = _arguments(record.get("op_args", ()))
    op_type = str(record["op_type"])
    is_int8 = op_type.startswith(_INTEGER)
    name = op_type.removeprefix(_INTEGER)
    name = name.removesuffix("Relu") or name
    is_nhwc = arguments.get("order", _NHWC if is_int8 else "") == _NHWC
    shapes = [tuple(int(extent) for extent in shape) for shape in record["input_shapes"]]
    is_dense = name == "FC"
    part = CaffeOperator(
        _SAME.get(name, name),
        _flat(shapes[0]) if is_dense else _channels_last(shapes[0], is_nhwc=is_nhwc),
        _channels_last(shapes[1], is_nhwc=is_nhwc) if is_dense or name == "Conv" else (),
        int(arguments.get("stride", arguments.get("stride_h", 1))),
    )
    if name in POOLS:
        # Without a kernel the window is the whole map.
        window = arguments.get("kernel", arguments.get("kernel_h", part.in_shape[1]))
        part = replace(part, window=int(window))
    return is_int8, part, _entry(record)


def _arguments(described: object) -> Mapping[str, str]:
    """Names and values of arguments that hold one number or text."""
    if isinstance(described, dict):
        return {str(name): str(value) for name, value in cast("dict[str, Any]", described).items()}
    texts = cast("Iterable[object]", described if isinstance(described, list) else ())
    found = (_ARGUMENT.search(str(text)) for text in texts)
    return {one["name"]: one["number"] or one["text"] or "" for one in found if one is not None}


def _flat(shape: tuple[int, ...]) -> tuple[int, int]:
    """Caffe2's fully connected layers take maps as they are."""
    return shape[0], math.prod(shape[1:])


def _channels_last(shape: tuple[int, ...], *, is_nhwc: bool) -> tuple[int, ...]:
    return shape if is_nhwc or len(shape) < 3 else (shape[0], *shape[2:], shape[1])


def _entry(record: Mapping[str, Any]) -> Entry:
    microseconds = float(record.get("runtime_us_p50", record.get("microseconds", math.nan)))
    if not (math.isfinite(microseconds) and microseconds > 0.0):
        raise ValueError(f"an operator that takes {microseconds} microseconds")
    if "runtime_us_p10" not in record or "runtime_us_p90" not in record:
        return Entry(microseconds / 1e3)
    spread = float(record["runtime_us_p90"]) - float(record["runtime_us_p10"])
    return Entry(microseconds / 1e3, spread / _P10_TO_P90 / 1e3)


def _means(records: Iterable[tuple[CaffeOperator, Entry]]) -> Mapping[CaffeOperator, Entry]:
    found: dict[CaffeOperator, list[Entry]] = {}
    for part, entry in records:
        found.setdefault(part, []).append(entry)
    return {part: _mean(entries) for part, entries in found.items()}


def _mean(entries: list[Entry]) -> Entry:
    deviations = [entry.deviation_ms for entry in entries if entry.deviation_ms is not None]
    return Entry(
        sum(entry.latency_ms for entry in entries) / len(entries),
        max(deviations) if len(deviations) == len(entries) else None,
    )
