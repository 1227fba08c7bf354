"""How IR values are held in an ONNX graph: plain tensors, or integers with (de)quantisation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fpc.backends.onnx.writer import OnnxWriter
from fpc.diagnostics.errors import BackendError
from fpc.diagnostics.location import Location
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Value
from fpc.ir.types import QuantParams, TensorType

_INT16_SINCE = 21
_QUANTIZABLE = (DType.I8, DType.U8, DType.I16)


class TensorNames:
    """The ONNX tensors that stand for IR values.

    An unquantised value is one tensor. A quantised value is a tensor of integers, from which a
    tensor of reals is made by DequantizeLinear when something reads it, once.
    """

    def __init__(self, writer: OnnxWriter) -> None:
        self._writer = writer
        self._stored: dict[Value, str] = {}
        self._reals: dict[Value, str] = {}
        self._permuted: dict[tuple[Value, tuple[int, ...]], str] = {}

    def bind(self, value: Value, tensor: str) -> None:
        """Let `tensor` hold `value` (its integers when it is quantised)."""
        self._stored[value] = tensor

    def stored(self, value: Value) -> str:
        """The tensor that holds `value` as it is typed."""
        if value not in self._stored:
            self._stored[value] = self._writer.constant(value.data, value.name)
        return self._stored[value]

    def real(self, value: Value) -> str:
        """The tensor of the real numbers that `value` stands for."""
        if not value.type.is_quantised:
            return self.stored(value)
        if value not in self._reals:
            if value.is_constant:
                quant = value.type.quantisation
                self._reals[value] = self._real_constant(value.data, quant, value.name)
            else:
                self._reals[value] = self.dequantised(self.stored(value), value.type, value.name)
        return self._reals[value]

    def real_data(self, value: Value) -> Array:
        """The real numbers of a constant."""
        quant = value.type.quant
        return value.data if quant is None else _reals(value.data, quant)

    def permuted_constant(self, value: Value, permutation: tuple[int, ...]) -> str:
        """The real numbers of a constant with its axes permuted."""
        key = (value, permutation)
        if key not in self._permuted:
            data = np.ascontiguousarray(value.data.transpose(permutation))
            quant = value.type.quant
            if quant is not None and quant.axis is not None:
                quant = quant.with_axis(permutation.index(quant.axis))
            self._permuted[key] = (
                self._writer.constant(data, value.name)
                if quant is None
                else self._real_constant(data, quant, value.name)
            )
        return self._permuted[key]

    def _real_constant(self, data: Array, quant: QuantParams, hint: str) -> str:
        # Never the reals themselves: beside a quantised operand, onnxruntime's optimisation
        # WeightBiasQuantization makes int8 of them, and int32 of biases, whether they fit or not.
        if data.dtype == np.int64:
            data, quant = _in_32_bits(data, quant)
        stored = TensorType(DType.of(data.dtype), data.shape, quant)
        return self.dequantised(self._writer.constant(data, hint), stored, hint)

    def dequantised(self, tensor: str, type: TensorType, hint: str) -> str:
        """Add DequantizeLinear to a tensor of integers."""
        return self._convert("DequantizeLinear", tensor, type, f"{hint}_dequantized")

    def quantised(self, tensor: str, type: TensorType, hint: str) -> str:
        """Add QuantizeLinear to a tensor of reals; `BackendError` for other integer types."""
        if type.dtype not in _QUANTIZABLE:
            raise BackendError(
                "onnx-dtype",
                f"ONNX cannot quantise to {type.dtype.value}",
                location=Location.of(hint),
                help="keep this value float, or write a .tflite file",
            )
        return self._convert("QuantizeLinear", tensor, type, f"{hint}_quantized")

    def _convert(self, op_type: str, tensor: str, type: TensorType, hint: str) -> str:
        quant = type.quantisation
        if type.dtype is DType.I16 and self._writer.opset < _INT16_SINCE:
            raise BackendError(
                "onnx-opset",
                f"16-bit quantisation needs opset {_INT16_SINCE}, not {self._writer.opset}",
                help=f"write opset {_INT16_SINCE} or newer",
            )
        per_tensor = quant.axis is None
        shape = () if per_tensor else (len(quant.scales),)
        scale = np.array(quant.scales, np.float32).reshape(shape)
        zero = np.array(quant.zero_points, type.dtype.numpy).reshape(shape)
        operands = [
            tensor,
            self._writer.constant(scale, f"{hint}_scale"),
            self._writer.constant(zero, f"{hint}_zero_point"),
        ]
        attributes: dict[str, Any] = {} if quant.axis is None else {"axis": quant.axis}
        return self._writer.node(op_type, operands, hint, **attributes)[0]


def _in_32_bits(data: Array, quant: QuantParams) -> tuple[Array, QuantParams]:
    """Biases of 16-bit activations as DequantizeLinear takes them, in wider steps where need be."""
    others = tuple(axis for axis in range(data.ndim) if axis != quant.axis)
    reach = np.abs(data.astype(np.float64)).max(axis=others, initial=0.0, keepdims=True)
    shifts = np.maximum(np.frexp(reach / 2.0**31)[1], 0)
    scales = np.array(quant.scales) * 2.0 ** shifts.reshape(-1)
    return (data >> shifts).astype(np.int32), replace(quant, scales=tuple(scales.tolist()))


def _reals(data: Array, quant: QuantParams) -> Array:
    shape = [1] * data.ndim
    if quant.axis is not None:
        shape[quant.axis] = -1
    scales = np.array(quant.scales, np.float64).reshape(shape if quant.axis is not None else ())
    zeros = np.array(quant.zero_points, np.int64).reshape(scales.shape)
    return ((data.astype(np.int64) - zeros) * scales).astype(np.float32)
