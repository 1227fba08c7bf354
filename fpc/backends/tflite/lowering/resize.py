"""Resizing: RESIZE_BILINEAR, copies side by side, RESIZE_NEAREST_NEIGHBOR or GATHER."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.primitives import reshape_to
from fpc.backends.tflite.lowering.site import Site
from fpc.ir.ops import Coordinates, Interpolation, NearestRounding, Resize
from fpc.ir.padding import Extents
from fpc.ir.resampling import nearest_pixels, repeats


@dataclass(frozen=True)
class Mode:
    """One of TFLite's coordinate modes, and how nearest interpolation rounds in it."""

    align_corners: bool
    half_pixel_centers: bool
    rounding: NearestRounding


MODES: Mapping[Coordinates, Mode] = MappingProxyType(
    {
        Coordinates.HALF_PIXEL: Mode(False, True, NearestRounding.HALF_UP),
        Coordinates.ALIGN_CORNERS: Mode(True, False, NearestRounding.HALF_UP),
        Coordinates.ASYMMETRIC: Mode(False, False, NearestRounding.FLOOR),
    }
)


_MOST_COPIES = 5


def resize(site: Site[Resize]) -> None:
    """`Resize`.

    Nearest neighbours by whole factors are copies side by side, which XNNPACK makes; it has no
    RESIZE_NEAREST_NEIGHBOR. Those that no TFLite mode takes are gathered, one axis after the other.
    """
    op = site.op
    if op.interpolation is Interpolation.BILINEAR:
        mode = MODES[op.coordinates]
        _emit(site, "RESIZE_BILINEAR", "ResizeBilinearOptions", mode)
    elif _repeats_whole_pixels(site):
        _repeat(site)
    elif (nearest := _nearest_mode(site)) is not None:
        _emit(site, "RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", nearest)
    else:
        _gather(site)


def _repeats_whole_pixels(site: Site[Resize]) -> bool:
    """Whether every pixel becomes a block, no side longer than a CONCATENATION XNNPACK takes."""
    factors = repeats(site.op, _extents(site))
    return factors is not None and max(factors) <= _MOST_COPIES


def _repeat(site: Site[Resize]) -> None:
    """Every pixel's channels again beside it, then every row again below it."""
    x, y = site.operand(), site.result()
    batch, height, width, channels = x.type.shape
    _, rows, columns, _ = y.type.shape
    if columns > width:
        x = _repeated(site, x, columns // width, axis=3)
    if rows > height:
        lines = site.intermediate("lines", x.type.with_shape((batch * height, columns * channels)))
        reshape_to(site, x, lines)
        x = _repeated(site, lines, rows // height, axis=1)
    reshape_to(site, x, y)


def _repeated(site: Site[Resize], x: Operand, count: int, *, axis: int) -> Operand:
    shape = list(x.type.shape)
    shape[axis] *= count
    y = site.intermediate("repeated", x.type.with_shape(tuple(shape)))
    site.emit("CONCATENATION", [x] * count, [y], "ConcatenationOptions", {"axis": axis})
    return y


def _nearest_mode(site: Site[Resize]) -> Mode | None:
    """The mode of the same formula, or one that takes the same pixels for these sizes."""
    op, extents = site.op, _extents(site)
    if MODES[op.coordinates].rounding is op.rounding:
        return MODES[op.coordinates]
    wanted = nearest_pixels(op, extents)
    for coordinates, mode in MODES.items():
        like = replace(op, coordinates=coordinates, rounding=mode.rounding)
        if all(map(np.array_equal, nearest_pixels(like, extents), wanted)):
            return mode
    return None


def _extents(site: Site[Resize]) -> Extents:
    _, height, width, _ = site.operand().type.shape
    return height, width


def _emit(site: Site[Resize], code: str, table: str, mode: Mode) -> None:
    fields = {"align_corners": mode.align_corners, "half_pixel_centers": mode.half_pixel_centers}
    operands = [site.operand(), site.integers("size", site.op.size)]
    site.emit(code, operands, table=table, fields=fields)


def _gather(site: Site[Resize]) -> None:
    x, y, op = site.operand(), site.result(), site.op
    batch, _, width, channels = x.type.shape
    rows = site.intermediate("rows", x.type.with_shape((batch, op.size[0], width, channels)))
    wanted = nearest_pixels(op, _extents(site))
    for axis, (source, target) in enumerate([(x, rows), (rows, y)], start=1):
        indices = site.constant("indices", wanted[axis - 1].astype(np.int32))
        site.emit("GATHER", [source, indices], [target], "GatherOptions", {"axis": axis})
