"""Resize in the forms of every opset, and Upsample."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx.context import Handler, NodeContext, Unsupported
from fpc.frontends.onnx.windows import on_feature_map, two_dimensional
from fpc.ir.constant import Array
from fpc.ir.graph import Value
from fpc.ir.ops import Coordinates, Interpolation, NearestRounding, Resize

_COORDINATE_MODES_SINCE = 11
_SCALES_AS_OPERAND = 9
_SCALE_TOLERANCE = 1e-4


@dataclass(frozen=True)
class _Sampling:
    coordinates: Coordinates
    rounding: NearestRounding


def resize(node: NodeContext) -> Value:
    """Resize and Upsample of the spatial axes, by scales or sizes."""
    shape = node.shape(0)
    if len(shape) not in (3, 4):
        raise Unsupported(f"its operand has rank {len(shape)}", "resize images of one or two axes")
    target = _target_shape(node, shape)
    if target[:2] != shape[:2]:
        raise Unsupported(f"it resizes the batch or the channels: {list(shape)} to {list(target)}")
    if target == shape:
        return node.value(0)
    interpolation = _interpolation(node)
    sampling = _sampling(node, shape[2:], target[2:])
    if interpolation is Interpolation.NEAREST:
        op = Resize(
            two_dimensional(target[2:]), interpolation, sampling.coordinates, sampling.rounding
        )
    else:
        op = Resize(two_dimensional(target[2:]), interpolation, sampling.coordinates)
    emit = node.emit if len(shape) == 4 else node.step
    return on_feature_map(node, node.value(0), lambda x: emit(op, x))


def _target_shape(node: NodeContext, shape: tuple[int, ...]) -> tuple[int, ...]:
    rank = len(shape)
    axes = node.attributes.integers("axes") or tuple(range(rank))
    sizes = node.require_integers(3, "sizes") if node.operand(3) is not None else ()
    target = list(shape)
    if sizes:
        if node.attributes.text("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise Unsupported("it keeps the aspect ratio", "resize to explicit sizes")
        numbers: tuple[float, ...] = sizes
    else:
        numbers = tuple(float(scale) for scale in _scales(node))
    if len(numbers) != len(axes):
        raise ModelError(
            "bad-node",
            f"{node.op_type} has {len(numbers)} scales or sizes for {len(axes)} axes",
            location=node.location,
        )
    for axis, number in zip((node.axis(axis, rank) for axis in axes), numbers, strict=True):
        target[axis] = int(number) if sizes else _scaled_extent(shape[axis], number)
    if min(target) < 1:
        raise Unsupported(f"it resizes to {target}")
    return tuple(target)


def _scales(node: NodeContext) -> Array:
    if node.op_type == "Upsample" and node.opset < _SCALES_AS_OPERAND:
        return np.array(node.attributes.numbers("scales") or (), np.float32)
    index = 1 if node.op_type == "Upsample" or node.opset < _COORDINATE_MODES_SINCE else 2
    return node.require_known(index, "scales").reshape(-1)


def _scaled_extent(extent: int, scale: float) -> int:
    """floor(extent * scale); `Unsupported` where the scale is not the ratio of the extents."""
    exact = extent * scale
    result = round(exact) if abs(exact - round(exact)) < _SCALE_TOLERANCE else int(exact)
    if abs(exact - result) >= _SCALE_TOLERANCE:
        raise Unsupported(
            f"its scale {scale} takes {extent} to {exact}, which is not a whole number",
            "export with explicit sizes instead of scales",
        )
    return result


def _interpolation(node: NodeContext) -> Interpolation:
    match node.attributes.text("mode", "nearest"):
        case "nearest":
            return Interpolation.NEAREST
        case "linear" | "bilinear":
            return Interpolation.BILINEAR
        case mode:
            raise Unsupported(f"its mode is '{mode}'", "use nearest or linear interpolation")


def _sampling(node: NodeContext, extents: tuple[int, ...], targets: tuple[int, ...]) -> _Sampling:
    if node.op_type == "Upsample" or node.opset < _COORDINATE_MODES_SINCE:
        return _Sampling(Coordinates.ASYMMETRIC, NearestRounding.FLOOR)
    shrinks = any(target < extent for extent, target in zip(extents, targets, strict=True))
    if node.attributes.integer("antialias", 0) and shrinks:
        raise Unsupported("it antialiases", "export with antialias=False")
    rounding = _rounding(node)
    match node.attributes.text("coordinate_transformation_mode", "half_pixel"):
        case "half_pixel" | "half_pixel_symmetric":
            return _Sampling(Coordinates.HALF_PIXEL, rounding)
        case "pytorch_half_pixel":
            collapses = any(
                target == 1 and extent > 1 for extent, target in zip(extents, targets, strict=True)
            )
            if collapses:
                raise Unsupported("it samples the first pixel of a map that it shrinks to one")
            return _Sampling(Coordinates.HALF_PIXEL, rounding)
        case "asymmetric":
            return _Sampling(Coordinates.ASYMMETRIC, rounding)
        case "align_corners":
            return _Sampling(Coordinates.ALIGN_CORNERS, rounding)
        case "tf_half_pixel_for_nn" if rounding is NearestRounding.FLOOR:
            # floor((i + 0.5) * ratio) is the half-pixel coordinate rounded half up.
            return _Sampling(Coordinates.HALF_PIXEL, NearestRounding.HALF_UP)
        case mode:
            raise Unsupported(
                f"its coordinate_transformation_mode is '{mode}'",
                "use half_pixel, asymmetric or align_corners",
            )


def _rounding(node: NodeContext) -> NearestRounding:
    match node.attributes.text("nearest_mode", "round_prefer_floor"):
        case "round_prefer_floor":
            return NearestRounding.HALF_DOWN
        case "round_prefer_ceil":
            return NearestRounding.HALF_UP
        case "floor":
            return NearestRounding.FLOOR
        case "ceil":
            return NearestRounding.CEIL
        case mode:
            raise Unsupported(f"its nearest_mode is '{mode}'")


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType({"Resize": resize, "Upsample": resize})
