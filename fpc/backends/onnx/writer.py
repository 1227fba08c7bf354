"""An ONNX graph under construction: fresh names, nodes, stored tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fpc.ir.constant import Array

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

Attribute: TypeAlias = int | float | str | Sequence[int] | Sequence[float]


_FEWEST_SHARED_BYTES = 1024


class OnnxWriter:
    """Collects the nodes and initializers of an ONNX graph; tensors are known by name.

    With `shares_constants` the elements of all but small ones stay outside, in `shared`: whoever
    runs the graph in this process hands the arrays over as they are.
    """

    def __init__(self, opset: int, *, shares_constants: bool = False) -> None:
        self.opset = opset
        self.shared: dict[str, Array] = {}
        self._shares_constants = shares_constants
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._names: set[str] = set()
        self._node_names: dict[str, int] = {}
        self._producers: dict[str, tuple[NodeProto, int]] = {}

    def fresh(self, hint: str) -> str:
        """A tensor name not in use, reserved for the caller."""
        name, number = hint, 0
        while name in self._names:
            number += 1
            name = f"{hint}_{number}"
        self._names.add(name)
        return name

    def fresh_node_name(self, hint: str) -> str:
        """A name for a node, numbered where several come from one node of the model."""
        count = self._node_names.get(hint, 0)
        name = f"{hint}_{count}" if count else hint
        while name in self._node_names:
            count += 1
            name = f"{hint}_{count}"
        self._node_names |= {name: 1, hint: count + 1}
        return name

    def node(
        self,
        op_type: str,
        inputs: Sequence[str | None],
        hint: str,
        *,
        count: int = 1,
        node_name: str = "",
        **attributes: Attribute,
    ) -> tuple[str, ...]:
        """Add a node; the names of its `count` results."""
        from onnx import helper

        outputs = tuple(self.fresh(hint) for _ in range(count))
        names = ["" if name is None else name for name in inputs]
        while names and not names[-1]:
            names.pop()
        proto = helper.make_node(op_type, names, outputs, name=node_name)
        proto.attribute.extend(
            helper.make_attribute(key, value) for key, value in sorted(attributes.items())
        )
        self.nodes.append(proto)
        for index, output in enumerate(outputs):
            self._producers[output] = (proto, index)
        return outputs

    def rename(self, tensor: str, name: str) -> None:
        """Give the result of a node, which nothing reads yet, the reserved name `name`."""
        proto, index = self._producers.pop(tensor)
        proto.output[index] = name
        self._producers[name] = (proto, index)
        self._names.discard(tensor)

    def constant(self, data: Array | Sequence[int], hint: str) -> str:
        """Store a tensor; sequences of Python integers are int64."""
        from onnx import numpy_helper

        array = np.asarray(data, dtype=None if isinstance(data, np.ndarray) else np.int64)
        array = np.ascontiguousarray(array).reshape(array.shape)
        name = self.fresh(hint)
        if self._shares_constants and array.nbytes >= _FEWEST_SHARED_BYTES:
            self.shared[name] = array
            self.initializers.append(_placeholder(name, array))
        else:
            self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def scalar(self, value: float, dtype: np.dtype[Any], hint: str) -> str:
        """Store a number as a tensor of rank 0."""
        return self.constant(np.array(value, dtype), hint)


def _placeholder(name: str, array: Array) -> TensorProto:
    from onnx import TensorProto, helper

    tensor = TensorProto(
        name=name,
        data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
        dims=array.shape,
        data_location=TensorProto.EXTERNAL,
    )
    tensor.external_data.add(key="location", value="shared")
    return tensor
