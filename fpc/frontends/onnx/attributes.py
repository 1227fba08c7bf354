"""Typed access to the attributes of an ONNX node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fpc.diagnostics.errors import ModelError
from fpc.diagnostics.location import Location
from fpc.frontends.onnx.tensors import tensor_to_array
from fpc.ir.constant import Array

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto

# The numbers of AttributeProto.AttributeType (onnx.proto).
_FLOAT, _INT, _STRING, _TENSOR, _GRAPH, _FLOATS, _INTS, _STRINGS = 1, 2, 3, 4, 5, 6, 7, 8


class Attributes:
    """The attributes of one node by name.

    Every getter takes the default that ONNX specifies (None where it specifies absence) and raises
    `ModelError` when the attribute is there with another type.
    """

    def __init__(self, protos: Iterable[AttributeProto], location: Location) -> None:
        self._protos = {proto.name: proto for proto in protos}
        self._location = location

    def __contains__(self, name: str) -> bool:
        return name in self._protos

    def integer(self, name: str, default: int) -> int:
        """An INT attribute."""
        proto = self._get(name, _INT)
        return default if proto is None else proto.i

    def number(self, name: str, default: float) -> float:
        """A FLOAT attribute."""
        proto = self._get(name, _FLOAT)
        return default if proto is None else proto.f

    def text(self, name: str, default: str) -> str:
        """A STRING attribute."""
        proto = self._get(name, _STRING)
        return default if proto is None else proto.s.decode("utf-8", errors="replace")

    def integers(self, name: str) -> tuple[int, ...] | None:
        """An INTS attribute."""
        proto = self._get(name, _INTS)
        return None if proto is None else tuple(proto.ints)

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """A FLOATS attribute."""
        proto = self._get(name, _FLOATS)
        return None if proto is None else tuple(proto.floats)

    def tensor(self, name: str) -> Array | None:
        """A TENSOR attribute."""
        proto = self._get(name, _TENSOR)
        if proto is None:
            return None
        return tensor_to_array(proto.t, f"attribute `{name}`", self._location)

    def graph(self, name: str) -> GraphProto | None:
        """A GRAPH attribute."""
        proto = self._get(name, _GRAPH)
        return None if proto is None else proto.g

    def _get(self, name: str, kind: int) -> AttributeProto | None:
        proto = self._protos.get(name)
        if proto is None:
            return None
        if proto.type != kind:
            raise ModelError(
                "bad-attribute",
                f"attribute `{name}` has type {proto.type}, ONNX defines it as type {kind}",
                location=self._location,
                help="export the model again; `onnx.checker.check_model` shows every such fault",
            )
        return proto
