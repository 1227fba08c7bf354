"""Damage to ONNX models: bytes of a file, and fields of a parsed one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

_EXTREMES = (0, 1, -1, 2, -2, 7, 255, 1 << 16, (1 << 31) - 1, 1 << 40, -(1 << 40), (1 << 63) - 1)
_OP_TYPES = ("Relu", "Conv", "Reshape", "Gather", "Slice", "Concat", "If", "Nonsense", "Pad", "Add")


def mutated_bytes(content: bytes, generator: np.random.Generator) -> bytes:
    """`content` with one to eight faults: flipped, dropped, repeated, foreign or missing bytes.

    Half of the results keep their length: they still parse more often.
    """
    data = bytearray(content)
    kinds = 2 if generator.integers(2) else 6
    for _ in range(int(generator.integers(1, 9))):
        if not data:
            break
        at = int(generator.integers(len(data)))
        length = int(generator.integers(1, 64))
        match int(generator.integers(kinds)):
            case 0:
                data[at] ^= 1 << int(generator.integers(8))
            case 1:
                data[at] = int(generator.integers(256))
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                data[at:at] = generator.bytes(length)
            case _:
                del data[at + (len(data) - at) * 3 // 4 :]
    return bytes(data)


def mutated_model(content: bytes, generator: np.random.Generator) -> onnx.ModelProto:
    """The model in `content` with one to four fields changed."""
    model = onnx.ModelProto.FromString(content)
    for _ in range(int(generator.integers(1, 5))):
        _FAULTS[int(generator.integers(len(_FAULTS)))](model.graph, generator)
    return model


def _pick(items, generator: np.random.Generator):
    return items[int(generator.integers(len(items)))] if len(items) else None


def _number(generator: np.random.Generator) -> int:
    return _EXTREMES[int(generator.integers(len(_EXTREMES)))]


def _attribute(graph: onnx.GraphProto, generator: np.random.Generator) -> None:
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    attribute = _pick(attributes, generator)
    if attribute is None:
        return
    match int(generator.integers(4)):
        case 0 if attribute.ints:
            attribute.ints[int(generator.integers(len(attribute.ints)))] = _number(generator)
        case 1:
            attribute.i = _number(generator)
        case 2:
            attribute.type = int(generator.integers(1, 12))
        case _:
            del attribute.ints[:]


def _shape(graph: onnx.GraphProto, generator: np.random.Generator) -> None:
    dims = [dim for value in graph.input for dim in value.type.tensor_type.shape.dim]
    dim = _pick(dims, generator)
    if dim is not None:
        dim.dim_value = _number(generator)


def _tensor(graph: onnx.GraphProto, generator: np.random.Generator) -> None:
    tensor = _pick(graph.initializer, generator)
    if tensor is None:
        return
    match int(generator.integers(5)):
        case 0 if tensor.dims:
            tensor.dims[int(generator.integers(len(tensor.dims)))] = _number(generator)
        case 1:
            tensor.data_type = int(generator.integers(0, 24))
        case 2:
            tensor.raw_data = generator.bytes(len(tensor.raw_data))
        case 3:
            del tensor.dims[:]
        case _:
            tensor.name = "renamed"


def _wiring(graph: onnx.GraphProto, generator: np.random.Generator) -> None:
    node = _pick(graph.node, generator)
    other = _pick(graph.node, generator)
    if node is None or not node.input or not other.output:
        return
    match int(generator.integers(5)):
        case 0:
            node.input[int(generator.integers(len(node.input)))] = other.output[0]
        case 1:
            node.output[0] = other.output[0]
        case 2:
            node.input[0] = "nowhere"
        case 3:
            del node.input[int(generator.integers(len(node.input))) :]
        case _:
            node.input.append(other.output[0])


def _operator(graph: onnx.GraphProto, generator: np.random.Generator) -> None:
    node = _pick(graph.node, generator)
    if node is not None:
        node.op_type = _OP_TYPES[int(generator.integers(len(_OP_TYPES)))]


def _removal(graph: onnx.GraphProto, generator: np.random.Generator) -> None:
    items = graph.node if generator.integers(2) else graph.initializer
    if len(items):
        del items[int(generator.integers(len(items)))]


_FAULTS = (_attribute, _attribute, _shape, _tensor, _tensor, _wiring, _operator, _removal)


def mutations(contents: list[bytes], count: int, seed: int) -> Iterator[bytes | onnx.ModelProto]:
    """`count` damaged models, by turns damaged as bytes and as fields."""
    generator = np.random.default_rng(seed)
    for index in range(count):
        content = contents[index // 2 % len(contents)]
        yield (mutated_bytes if index % 2 else mutated_model)(content, generator)
