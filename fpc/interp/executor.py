"""Running graphs in numpy: the oracle that everything else is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from fpc.diagnostics.errors import QuantError, UsageError
from fpc.interp.batching import treats_images_alike
from fpc.interp.call import Array, Call, Rule
from fpc.interp.floating.table import FLOAT_RULES
from fpc.interp.integer.table import INTEGER_RULES
from fpc.interp.numerics import Numerics
from fpc.interp.power_of_two.table import POWER_OF_TWO_RULES
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.types import TensorType

Inputs: TypeAlias = Mapping[str, Array] | Sequence[Array]
"""Arrays by the name of the graph's input, or in the order of its inputs."""
Compute: TypeAlias = Callable[[Node[Op], Sequence[Array | None], Numerics], tuple[Array, ...]]
"""What computes the results of a node from its operands: `apply`, or something in its place."""


def run(
    graph: Graph,
    inputs: Inputs,
    numerics: Numerics = Numerics.TFLITE_REFERENCE,
) -> tuple[Array, ...]:
    """The outputs of `graph` for `inputs`, given by name or in the graph's order.

    Arrays have the types of the graph's inputs, but their leading extent may be any multiple of
    the graph's batch: images are computed together where the graph allows it and batch after batch
    where not. A value is freed as soon as nobody needs it. `UsageError` when inputs do not fit,
    `QuantError` for a quantised op that has no integer meaning.
    """
    values = run_keeping(graph, inputs, (), numerics)
    return tuple(values[value] for value in graph.outputs)


def run_keeping(
    graph: Graph,
    inputs: Inputs,
    keep: Iterable[Value],
    numerics: Numerics = Numerics.TFLITE_REFERENCE,
) -> dict[Value, Array]:
    """As `run`, but every value of `keep` besides the outputs, by value."""
    feeds = _check_inputs(graph, inputs)
    wanted = {*graph.outputs, *keep}
    pieces = [
        {
            value: array
            for value, array in _evaluate(graph, piece, numerics, apply)
            if value in wanted
        }
        for piece in _batches(graph, feeds)
    ]
    if len(pieces) == 1:
        return pieces[0]
    return {value: np.concatenate([piece[value] for piece in pieces]) for value in pieces[0]}


def trace(
    graph: Graph,
    inputs: Inputs,
    numerics: Numerics = Numerics.TFLITE_REFERENCE,
    compute: Compute | None = None,
) -> Iterator[tuple[Value, Array]]:
    """Every input and computed value with its array, in topological order.

    Arrays are freed as soon as possible. Where the graph must be run batch after batch, every value
    comes once a batch. `compute` stands in for `apply`.
    """
    for piece in _batches(graph, _check_inputs(graph, inputs)):
        yield from _evaluate(graph, piece, numerics, compute or apply)


def apply(
    node: Node[Op], operands: Sequence[Array | None], numerics: Numerics
) -> tuple[Array, ...]:
    """The results of one node for arrays of its operands (None where one is absent).

    Floats overflow, divide by zero and turn into NaN silently, as IEEE 754 says and runtimes do.
    """
    types = tuple(None if value is None else value.type for value in node.inputs)
    call = Call(node.op, types, tuple(value.type for value in node.outputs), numerics)
    rule = _rule(node, call)
    with np.errstate(all="ignore"):
        result = rule(call, *operands)
    return result if isinstance(result, tuple) else (result,)


def _rule(node: Node[Op], call: Call[Op]) -> Rule:
    types: list[TensorType | None] = [*call.operands, *call.results]
    if not any(tensor is not None and tensor.is_quantised for tensor in types):
        return FLOAT_RULES[type(node.op)]
    rules = POWER_OF_TWO_RULES if call.numerics is Numerics.POW2 else INTEGER_RULES
    rule = rules.get(type(node.op))
    if rule is None:
        raise QuantError(
            "no-integer-form",
            f"{node.op.mnemonic} has no meaning on quantised integers under {call.numerics.value}",
            location=node.location,
            help="keep the op in float, or let the target's legalisation replace it",
        )
    return rule


def _evaluate(
    graph: Graph, feeds: Mapping[Value, Array], numerics: Numerics, compute: Compute
) -> Iterator[tuple[Value, Array]]:
    pending = {value: value.use_count for value in graph.values()}
    live: dict[Value, Array] = {}

    def read(value: Value) -> Array:
        return value.data if value.is_constant else live[value]

    for value, array in feeds.items():
        live[value] = array
        yield value, array
    for value in graph.outputs:
        if value.is_constant:
            yield value, value.data
    for node in graph:
        operands = [None if value is None else read(value) for value in node.inputs]
        results = compute(node, operands, numerics)
        del operands
        for value in node.operands:
            pending[value] -= 1
            if pending[value] == 0:
                live.pop(value, None)
        for value, array in zip(node.outputs, results, strict=True):
            if value.use_count:
                live[value] = array
            yield value, array


def _check_inputs(graph: Graph, inputs: Inputs) -> dict[Value, Array]:
    names = [value.name for value in graph.inputs]
    if isinstance(inputs, Mapping):
        if set(inputs) != set(names):
            raise UsageError(
                "inputs",
                f"the graph takes inputs {', '.join(names)}, got {', '.join(sorted(inputs))}",
            )
        arrays = [np.asarray(inputs[name]) for name in names]
    else:
        if len(inputs) != len(names):
            raise UsageError("inputs", f"the graph takes {len(names)} inputs, got {len(inputs)}")
        arrays = [np.asarray(array) for array in inputs]
    feeds = dict(zip(graph.inputs, arrays, strict=True))
    ratios = {_batch_ratio(value, array) for value, array in feeds.items()}
    if len(ratios) > 1:
        raise UsageError("inputs", "the inputs are batches of different sizes")
    return feeds


def _batch_ratio(value: Value, array: Array) -> int:
    """How many of the graph's batches `array` holds."""
    expected = value.type
    if array.dtype != expected.dtype.numpy:
        raise UsageError(
            "inputs", f"input %{value.name} is {expected.dtype.value}, got {array.dtype}"
        )
    if array.shape == expected.shape:
        return 1
    fits = (
        array.ndim == expected.rank > 0
        and array.shape[1:] == expected.shape[1:]
        and array.shape[0] > 0
        and expected.shape[0] > 0
        and array.shape[0] % expected.shape[0] == 0
    )
    if not fits:
        raise UsageError(
            "inputs",
            f"input %{value.name} has shape {list(expected.shape)}, got {list(array.shape)}",
            help="only the leading extent may differ, by a whole factor",
        )
    return array.shape[0] // expected.shape[0]


def _batches(graph: Graph, feeds: Mapping[Value, Array]) -> Iterator[Mapping[Value, Array]]:
    """The inputs, cut into the graph's batches where they cannot be computed together."""
    ratio = max((_batch_ratio(value, array) for value, array in feeds.items()), default=1)
    if ratio == 1 or treats_images_alike(graph):
        yield feeds
        return
    for index in range(ratio):
        yield {
            value: array[index * value.type.shape[0] :][: value.type.shape[0]]
            for value, array in feeds.items()
        }
