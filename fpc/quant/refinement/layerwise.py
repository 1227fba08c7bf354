"""Walking an integer graph layer by layer with all calibration samples at once.

Correcting or rounding a layer changes what every later layer reads, so the layers are visited in
order, each on inputs computed by the layers as already revised. Only integers are held between
layers: one byte an element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpc.interp.runner import Runner, RunnerFactory, Samples
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Op
from fpc.ir.ops.convolution import accumulator_dtype
from fpc.ir.types import QuantParams
from fpc.quant.analysis.placement import weight_of
from fpc.quant.plan import QuantPlan
from fpc.quant.planning.weights import quantise_activation, quantise_bias
from fpc.quant.refinement.segments import Segment, cut_before, extract

WALK_BYTES = 96 << 20
"""What the integers held between two layers may take, all samples together."""
WALK_ELEMENTS = 200_000_000
"""How many activations a walk computes, all samples together: a second or two of work."""
FEWEST_SAMPLES, MOST_SAMPLES = 16, 128
"""Below, the corrections are noise; above, more samples do not change them."""


@dataclass(frozen=True)
class Layer:
    """A convolution or dense layer with an integer form: its float node and its integer node."""

    float_node: Node[Op]
    node: Node[Op]

    @property
    def weight(self) -> Value:
        """The float weights, output channels first."""
        return self.float_node.input(1)

    @property
    def bias(self) -> NDArray[np.float64]:
        """The float bias, zeros where there is none."""
        bias = self.float_node.optional_input(2)
        channels = self.weight.type.shape[0]
        return np.zeros(channels) if bias is None else bias.data.astype(np.float64)


@dataclass(frozen=True)
class Revision:
    """What becomes of a layer: integers for its weights, reals for its bias."""

    weights: Array
    bias: NDArray[np.float64]


Revise = Callable[[Layer, Sequence[Array]], Revision]
"""Revises a layer, given the integers it reads of each sample, in its input's type."""


def paired_layers(graph: Graph, plan: QuantPlan, integer: Graph) -> tuple[Layer, ...]:
    """The layers of the float `graph` that `plan` makes integer, with their nodes in `integer`."""
    floats = [node for node in graph if weight_of(node) is not None and _is_integer(node, plan)]
    integers = [
        node for node in integer if weight_of(node) is not None and node.input(0).type.is_quantised
    ]
    return tuple(Layer(a, b) for a, b in zip(floats, integers, strict=True))


def _is_integer(node: Node[Op], plan: QuantPlan) -> bool:
    return node not in plan.float_nodes and node.outputs[0] in plan.activations


def walk_size(graph: Graph) -> int:
    """How many samples a walk over the int8 form of the float `graph` can afford."""
    elements = sum(value.type.size for node in graph for value in node.outputs)
    wanted = int(np.clip(WALK_ELEMENTS // max(elements, 1), FEWEST_SAMPLES, MOST_SAMPLES))
    segments = cut_before(graph, {node for node in graph if weight_of(node) is not None})
    live = max((segment.live_elements for segment in segments), default=1)
    return max(1, min(wanted, WALK_BYTES // max(live, 1)))


def walk(
    integer: Graph,
    layers: Sequence[Layer],
    samples: Samples,
    make_runner: RunnerFactory,
    revise: Revise,
    *,
    bias_bits: int | None = None,
) -> dict[Node[Op], Revision]:
    """Visit every layer in order and return its revision, by float node.

    samples: float inputs, all of which are held as integers at once (see `walk_size`).
    make_runner: makes a runner of an integer graph that takes and gives its integers.
    bias_bits: as in the scheme.
    """
    by_node = {layer.node: layer for layer in layers}
    held = _inputs(integer, samples)
    revisions: dict[Node[Op], Revision] = {}
    for segment in cut_before(integer, by_node.keys()):
        layer = by_node.get(segment.nodes[0])
        constants: dict[Use, tuple[Array, QuantParams]] = {}
        if layer is not None:
            revision = revise(layer, held[layer.node.input(0)])
            revisions[layer.float_node] = revision
            constants = _constants(layer.node, revision, bias_bits)
        if segment.outputs:
            graph = extract(segment.nodes, segment.inputs, segment.outputs, constants)
            held.update(_run(make_runner(graph), segment, held, len(samples)))
        for value in segment.finished:
            held.pop(value, None)
    return revisions


def _run(
    runner: Runner, segment: Segment, held: Mapping[Value, Sequence[Array]], count: int
) -> dict[Value, list[Array]]:
    results: dict[Value, list[Array]] = {value: [] for value in segment.outputs}
    for index in range(count):
        outputs = runner([held[value][index] for value in segment.inputs])
        for array, result in zip(outputs, results.values(), strict=True):
            result.append(array)
    return results


def _inputs(integer: Graph, samples: Samples) -> dict[Value, list[Array]]:
    """Every sample in the integers of the graph's inputs."""
    held: dict[Value, list[Array]] = {value: [] for value in integer.inputs}
    for sample in samples:
        for value, array in zip(integer.inputs, sample, strict=True):
            held[value].append(to_graph_type(array, value))
    return held


def to_graph_type(array: Array, value: Value) -> Array:
    """A real array in the integers of `value`, or as it is where `value` is not quantised."""
    if not value.type.is_quantised:
        return array
    return quantise_activation(array, value.type.quantisation, value.type.dtype)


def to_reals(array: Array, value: Value) -> Array:
    """The reals that integers of `value` stand for (float32); reals stay as they are."""
    if not value.type.is_quantised:
        return array
    params = value.type.quantisation
    centred = array.astype(np.float32) - np.float32(params.zero_point)
    return centred * np.float32(params.scale)


def _constants(
    node: Node[Op], revision: Revision, bias_bits: int | None
) -> dict[Use, tuple[Array, QuantParams]]:
    x, weight = node.input(0).type, node.input(1).type.quantisation
    dtype = accumulator_dtype(x)
    return {
        Use(node, 1): (revision.weights, weight),
        Use(node, 2): quantise_bias(revision.bias, x.quantisation, weight, dtype, bias_bits),
    }
