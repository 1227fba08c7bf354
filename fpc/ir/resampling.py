"""Where resized feature maps are sampled, with the coordinates of ONNX Resize."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpc.ir.ops import Coordinates, NearestRounding, Resize
from fpc.ir.padding import Extents


def source_coordinates(kind: Coordinates, extent: int, size: int) -> NDArray[np.float32]:
    """Where each of `size` results lies among `extent` samples (ONNX Resize), in float32."""
    one, half = np.float32(1), np.float32(0.5)
    scale = np.float32(size) / np.float32(extent)
    i = np.arange(size, dtype=np.float32)
    match kind:
        case Coordinates.HALF_PIXEL:
            return (i + half) / scale - half
        case Coordinates.ASYMMETRIC:
            return i / scale
        case Coordinates.ALIGN_CORNERS:
            return i * np.float32(extent - 1) / max(np.float32(size - 1), one)


def nearest_indices(
    at: NDArray[np.float32], rounding: NearestRounding, extent: int
) -> NDArray[np.intp]:
    """The sample each coordinate is rounded to, kept inside the `extent` samples."""
    half = np.float32(0.5)
    match rounding:
        case NearestRounding.FLOOR:
            index = np.floor(at)
        case NearestRounding.CEIL:
            index = np.ceil(at)
        case NearestRounding.HALF_DOWN:
            index = np.ceil(at - half)
        case NearestRounding.HALF_UP:
            index = np.floor(at + half)
    return np.clip(index, 0, extent - 1).astype(np.intp)


def nearest_pixels(op: Resize, extents: Extents) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows and the columns that nearest neighbours are taken from, of a map of `extents`."""
    rows, columns = (
        nearest_indices(source_coordinates(op.coordinates, extent, size), op.rounding, extent)
        for extent, size in zip(extents, op.size, strict=True)
    )
    return rows, columns


def repeats(op: Resize, extents: Extents) -> tuple[int, int] | None:
    """How often nearest neighbours repeat every row and every column; None for other patterns."""
    factors = op.size[0] // extents[0], op.size[1] // extents[1]
    is_repetition = all(
        np.array_equal(indices, np.repeat(np.arange(extent), factor))
        for indices, extent, factor in zip(
            nearest_pixels(op, extents), extents, factors, strict=True
        )
    )
    return factors if is_repetition else None
