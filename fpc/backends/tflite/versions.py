"""Which version of an operator a use of it needs.

A runtime refuses a file whose operator versions it does not know, so a version must be as low as
the use allows and no lower. The rules are those of op_version.cc of LiteRT
(tflite/converter/tools/versioning), for the operators and types that fpc writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fpc.backends.tflite.model import FusedActivation, Options, Tensor

_NO_OPTIONS = Options("")


@dataclass(frozen=True)
class Use:
    """One operator with the tensors it touches."""

    operands: Sequence[Tensor | None]
    results: Sequence[Tensor]
    options: Options

    def operand(self, index: int) -> Tensor:
        """An operand that every use of the operator has."""
        tensor = self.operands[index]
        assert tensor is not None
        return tensor

    @property
    def dtype(self) -> str:
        """The element type of the first operand."""
        return self.operand(0).dtype

    @property
    def rank(self) -> int:
        """The rank of the first operand."""
        return len(self.operand(0).shape)

    @property
    def broadcasts_beyond_rank_4(self) -> bool:
        """Whether two operands of unequal shapes, one of rank 5 or more, are combined."""
        first, second = self.operand(0).shape, self.operand(1).shape
        return first != second and max(len(first), len(second)) > 4


def operator_version(
    code: str,
    operands: Sequence[Tensor | None],
    results: Sequence[Tensor],
    options: Options | None = None,
) -> int:
    """The lowest version of `code` that takes these tensors and options."""
    use = Use(operands, results, options or _NO_OPTIONS)
    if code in _SPECIAL:
        return _SPECIAL[code](use)
    return _BY_DTYPE.get(code, _NEVER_CHANGED).get(use.dtype, 1)


def _conv2d(use: Use) -> int:
    weights = use.operand(1)
    if weights.shape[3] != use.operand(0).shape[3]:
        return 6
    return {"int8": 3, "int16": 4}.get(use.dtype, 1)


def _depthwise_conv2d(use: Use) -> int:
    if use.dtype in ("int8", "int16"):
        return {"int8": 3, "int16": 5}[use.dtype]
    dilated = (
        use.options.get("dilation_w_factor", 1) != 1 or use.options.get("dilation_h_factor", 1) != 1
    )
    return 2 if dilated else 1


def _fully_connected(use: Use) -> int:
    quant = use.operand(1).quant
    if quant is not None and quant.axis is not None:
        # Runtimes before version 12 read one scale for the whole weight matrix: they must refuse.
        return 12
    if use.dtype == "int16":
        return 7
    if use.options.get("keep_num_dims", False):
        return 5
    return 4 if use.dtype == "int8" else 1


def _transpose_conv(use: Use) -> int:
    if use.options.get("fused_activation_function", 0) != FusedActivation.NONE:
        return 4
    if len(use.operands) == 4:
        return 3
    return 2 if use.operand(1).dtype == "int8" else 1


def _mul(use: Use) -> int:
    if use.dtype == "int64":
        return 5
    if use.dtype == "int16":
        return 4 if use.operand(0).quant is not None else 7
    first, second, product = use.operand(0).quant, use.operand(1).quant, use.results[0].quant
    if first and second and product and first.scale * second.scale / product.scale >= 1.0:
        return 3
    return 2 if use.dtype == "int8" else 1


def _sub(use: Use) -> int:
    if use.dtype in ("int16", "int64"):
        return {"int16": 5, "int64": 4}[use.dtype]
    if use.broadcasts_beyond_rank_4:
        return 3
    return 2 if use.dtype == "int8" else 1


def _extremum(use: Use) -> int:
    if use.dtype == "int16":
        return 4
    if use.broadcasts_beyond_rank_4:
        return 3
    return 2 if use.dtype == "int8" else 1


def _div(use: Use) -> int:
    return 2 if use.broadcasts_beyond_rank_4 else 1


def _transpose(use: Use) -> int:
    if use.rank > 5:
        return 6
    if use.dtype == "int16":
        return 5
    if use.rank > 4:
        return 4
    return {"bool": 3, "int8": 2}.get(use.dtype, 1)


def _strided_slice(use: Use) -> int:
    if use.rank > 4:
        return 4
    return {"bool": 3, "int8": 2}.get(use.dtype, 1)


def _pad(use: Use) -> int:
    if use.dtype == "bool":
        return 5
    if use.rank > 4:
        return 4
    return {"int16": 3, "int8": 2}.get(use.dtype, 1)


def _resize_bilinear(use: Use) -> int:
    if use.dtype == "int16":
        return 4
    if use.options.get("half_pixel_centers", False):
        return 3
    return 2 if use.dtype == "int8" else 1


def _resize_nearest(use: Use) -> int:
    if use.dtype == "int16":
        return 4
    if use.options.get("half_pixel_centers", False) or use.options.get("align_corners", False):
        return 3
    return 2 if use.dtype == "int8" else 1


def _quantize(use: Use) -> int:
    return 2 if use.results[0].dtype == "int16" else 1


def _dequantize(use: Use) -> int:
    quant = use.operand(0).quant
    if use.dtype == "int8" and quant is not None and quant.axis is not None:
        return 5
    return {"int8": 2, "int16": 3, "float16": 3}.get(use.dtype, 1)


def _cast(use: Use) -> int:
    touched = {use.dtype, use.results[0].dtype}
    if "float16" in touched:
        return 5
    return 3 if "int8" in touched else 1


_SPECIAL: Mapping[str, Callable[[Use], int]] = MappingProxyType(
    {
        "CONV_2D": _conv2d,
        "DEPTHWISE_CONV_2D": _depthwise_conv2d,
        "FULLY_CONNECTED": _fully_connected,
        "TRANSPOSE_CONV": _transpose_conv,
        "MUL": _mul,
        "SUB": _sub,
        "MAXIMUM": _extremum,
        "MINIMUM": _extremum,
        "DIV": _div,
        "TRANSPOSE": _transpose,
        "STRIDED_SLICE": _strided_slice,
        "PAD": _pad,
        "PADV2": _pad,
        "RESIZE_BILINEAR": _resize_bilinear,
        "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
        "QUANTIZE": _quantize,
        "DEQUANTIZE": _dequantize,
        "CAST": _cast,
    }
)

_NEVER_CHANGED: Mapping[str, int] = MappingProxyType({})
_INTEGER: Mapping[str, int] = MappingProxyType({"int8": 2, "int16": 3})
_INT8: Mapping[str, int] = MappingProxyType({"int8": 2})

# DEPTH_TO_SPACE, officially 2 for int8, stays at 1: the kernel is the same, and LiteRT's reference
# kernels, which verify the file, are registered as version 1 only.
_BY_DTYPE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "ABS": {"int8": 2, "int16": 3, "int32": 5},
        "ADD": {"int8": 2, "int16": 3, "int64": 4},
        "AVERAGE_POOL_2D": _INTEGER,
        "BATCH_MATMUL": _INTEGER,
        "CONCATENATION": _INTEGER,
        "EXP": {"int8": 2, "int16": 2},
        "GATHER": {"int8": 2, "bool": 3, "int16": 4},
        "GELU": _INT8,
        "LEAKY_RELU": {"int16": 2},
        "LOG": {"int8": 2, "int16": 2},
        "LOGISTIC": _INTEGER,
        "MAX_POOL_2D": _INTEGER,
        "MEAN": _INTEGER,
        "MIRROR_PAD": _INTEGER,
        "RELU": _INTEGER,
        "RELU6": _INTEGER,
        "SOFTMAX": _INTEGER,
        "SQRT": {"int8": 2, "int16": 2},
        "TANH": _INTEGER,
    }
)
