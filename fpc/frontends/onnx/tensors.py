"""ONNX tensors as numpy arrays."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fpc.diagnostics.errors import ModelError
from fpc.diagnostics.location import UNKNOWN, Location
from fpc.ir.constant import Array

if TYPE_CHECKING:
    from onnx import TensorProto

MAX_ELEMENTS = 1 << 31
"""No tensor may have this many elements: TFLite and most runtimes index with 32 bits."""

# Values of TensorProto.DataType (onnx.proto) whose numpy types the front end computes with.
NUMPY_BY_ONNX_TYPE = MappingProxyType(
    {
        1: np.dtype(np.float32),
        2: np.dtype(np.uint8),
        3: np.dtype(np.int8),
        4: np.dtype(np.uint16),
        5: np.dtype(np.int16),
        6: np.dtype(np.int32),
        7: np.dtype(np.int64),
        9: np.dtype(np.bool_),
        10: np.dtype(np.float16),
        11: np.dtype(np.float64),
        12: np.dtype(np.uint32),
        13: np.dtype(np.uint64),
    }
)
_BFLOAT16 = 16
_EXTERNAL = 1


def tensor_to_array(tensor: TensorProto, what: str, location: Location = UNKNOWN) -> Array:
    """The values of `tensor`; every float type becomes float32.

    `ModelError` naming `what` when the type is none that fpc computes with, the shape is absurd,
    or the payload does not fill the shape.
    """
    from onnx import numpy_helper

    shape = checked_shape(tuple(tensor.dims), what, location)
    if tensor.data_type not in NUMPY_BY_ONNX_TYPE and tensor.data_type != _BFLOAT16:
        raise ModelError(
            "tensor-type",
            f"{what} has element type {tensor.data_type}, which fpc does not compute with",
            location=location,
            help="export the model with float32 weights",
        )
    if tensor.data_location == _EXTERNAL:
        raise ModelError(
            "external-data",
            f"{what} lies in an external file that was not read",
            location=location,
            help="give the path of the .onnx file, with the data file next to it",
        )
    try:
        array = np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise ModelError(
            "tensor-data",
            f"{what} does not hold the values its shape {list(shape)} promises: {error}",
            location=location,
            help="the file is damaged; export or download it again",
        ) from error
    if array.shape != shape:
        raise ModelError(
            "tensor-data",
            f"{what} declares shape {list(shape)} and holds {array.size} values",
            location=location,
            help="the file is damaged; export or download it again",
        )
    return as_float32(array)


def as_float32(array: Array) -> Array:
    """`array` itself, or as float32 where it is of another floating-point type."""
    if array.dtype.kind in "iub":
        return array
    with np.errstate(over="ignore", invalid="ignore"):  # infinities are refused where they are used
        return array.astype(np.float32, copy=False)


def checked_shape(
    shape: tuple[int, ...], what: str, location: Location = UNKNOWN
) -> tuple[int, ...]:
    """`shape`, or `ModelError` when it has a negative extent or too many elements."""
    if any(extent < 0 for extent in shape) or math.prod(shape) >= MAX_ELEMENTS:
        raise ModelError(
            "tensor-shape",
            f"{what} has shape {list(shape)}: extents must not be negative and a tensor has at "
            f"most 2^31 - 1 elements",
            location=location,
        )
    return shape
