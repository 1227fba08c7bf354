"""The ONNX form of every IR operator."""

from __future__ import annotations

from types import MappingProxyType

from fpc.backends.onnx import pointwise, spatial, structure
from fpc.backends.onnx.lowering import LoweringRule
from fpc.ir.op import Op

RULES: MappingProxyType[type[Op], LoweringRule] = MappingProxyType(
    {**spatial.RULES, **pointwise.RULES, **structure.RULES}
)
