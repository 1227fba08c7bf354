"""One walk over the layers that rounds their weights and corrects their biases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fpc.interp.runner import RunnerFactory, Samples
from fpc.interp.two_at_once import both
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.quant.apply import apply_plan
from fpc.quant.plan import QuantPlan
from fpc.quant.planning.weights import quantise_weight
from fpc.quant.refinement.bias_correction import (
    analytic_bias,
    corrected_bias,
    mean_of_integers,
    mean_response,
)
from fpc.quant.refinement.layerwise import Layer, Revision, paired_layers, walk
from fpc.quant.refinement.rounding import Rounding, can_round, round_weights
from fpc.quant.scheme import Scheme


@dataclass(frozen=True)
class Refined:
    """What to quantise with instead of nearest weights and own biases (see `apply_plan`)."""

    weights: Mapping[Value, Array]
    biases: Mapping[Node[Op], Array]


def refine(
    graph: Graph,
    plan: QuantPlan,
    scheme: Scheme,
    samples: Samples,
    means: Mapping[Value, Array],
    make_runner: RunnerFactory,
    *,
    rounding: Rounding | None,
    on_layer: Callable[[int, int], None] | None = None,
) -> Refined:
    """Quantise `graph` by `plan` and improve it layer after layer.

    samples: float inputs, all walked at once; means: the mean over them of what every layer of
    `graph` reads. make_runner: for integer graphs. rounding: how to round weights; None leaves them
    as they are and only corrects biases. `on_layer` is told how many layers of how many are done.
    """
    integer = apply_plan(graph, plan, scheme)
    layers = paired_layers(graph, plan, integer)
    done = 0

    def revise(layer: Layer, inputs: Sequence[Array]) -> Revision:
        nonlocal done
        node, mean = layer.float_node, means[layer.float_node.input(0)]
        weights, (mean_input, wanted) = both(
            lambda: _weights(layer, inputs, plan, scheme, rounding),
            lambda: (
                mean_of_integers(layer, inputs),
                mean_response(node, mean, layer.weight.data) + layer.bias,
            ),
        )
        done += 1
        if on_layer is not None:
            on_layer(done, len(layers))
        return Revision(weights, corrected_bias(layer, wanted, mean_input, weights))

    revisions = walk(integer, layers, samples, make_runner, revise, bias_bits=scheme.bias_bits)
    return Refined(
        weights={layer.weight: revisions[layer.float_node].weights for layer in layers},
        biases={node: revision.bias for node, revision in revisions.items()},
    )


def correct_analytically(
    graph: Graph, plan: QuantPlan, scheme: Scheme, means: Mapping[Value, Array]
) -> Refined:
    """Weights to nearest, and biases corrected for their rounding without running anything.

    means: the mean of what every layer of the float `graph` reads.
    """
    layers = paired_layers(graph, plan, apply_plan(graph, plan, scheme))
    weights = {
        layer.weight: quantise_weight(layer.weight.data, plan.weights[layer.weight], scheme)
        for layer in layers
    }
    biases = {
        layer.float_node: analytic_bias(
            layer, means[layer.float_node.input(0)], weights[layer.weight]
        )
        for layer in layers
    }
    return Refined(weights, biases)


def _weights(
    layer: Layer,
    inputs: Sequence[Array],
    plan: QuantPlan,
    scheme: Scheme,
    rounding: Rounding | None,
) -> Array:
    params = plan.weights[layer.weight]
    if rounding is None or not can_round(layer.float_node):
        return quantise_weight(layer.weight.data, params, scheme)
    zero_point = layer.node.input(0).type.quantisation.zero_point
    return round_weights(layer.float_node, inputs, zero_point, params, scheme, rounding)
