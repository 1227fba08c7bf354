"""Which integers stand for which reals in one graph: what `apply_plan` carries out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np

from fpc.diagnostics.errors import QuantError
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Op, Quantisation
from fpc.ir.types import QuantParams
from fpc.quant.analysis.accumulators import span_of
from fpc.quant.analysis.placement import bias_of, integer_nodes, weight_of
from fpc.quant.analysis.saturation import EVERYTHING, is_saturation, visible_bounds
from fpc.quant.calibration.distribution import Distribution
from fpc.quant.calibration.observers import Observer
from fpc.quant.calibration.ranges import Ranges, constant_range
from fpc.quant.planning.output_joins import spoiling_joins
from fpc.quant.planning.unify import Unification
from fpc.quant.planning.weights import guarded_weight_params
from fpc.quant.scheme import Scheme

_JOINED_IN_FLOAT = "{}: outputs are joined in float, because one scale would spoil the narrowest"


@dataclass(frozen=True)
class QuantPlan:
    """The quantisation of a float graph, stated without touching it.

    activations: every value that is integer in the quantised graph, constant operands of
    elementwise ops included. A value and the clamp after it share their parameters when the clamp
    is nothing but the saturation of those.
    weights: symmetric parameters (axis 0 = output channel) of every weight of an integer node.
    operands: where a node must read an activation in other parameters than the activation's own.
    float_nodes: nodes that compute in float, between dequantize and quantize.
    vanishing: clamps that saturation makes superfluous.
    limits: the bounds that saturation imposes on a value earlier than the float graph does; compare
    such a value only after clipping the float one.
    notes: remarks for the report, one sentence each.
    """

    activations: Mapping[Value, QuantParams]
    weights: Mapping[Value, QuantParams]
    operands: Mapping[Use, QuantParams] = field(default_factory=dict[Use, QuantParams])
    float_nodes: frozenset[Node[Op]] = frozenset()
    vanishing: frozenset[Node[Op]] = frozenset()
    limits: Mapping[Value, tuple[float, float]] = field(
        default_factory=dict[Value, tuple[float, float]]
    )
    notes: tuple[str, ...] = ()


def make_plan(
    graph: Graph,
    statistics: Mapping[Value, Distribution],
    scheme: Scheme,
    observer: Observer,
    *,
    keep_float: frozenset[Node[Op]] = frozenset(),
) -> QuantPlan:
    """The quantisation of `graph` under `scheme`, ranges chosen by `observer`.

    The nodes of `keep_float` stay float besides those without an integer form, and concats that
    join outputs which one scale would spoil. `QuantError` when weights are not finite or a value
    was not observed.
    """
    ranges = Ranges(statistics, scheme, observer)
    spoiling = spoiling_joins(graph, integer_nodes(graph, scheme, keep_float), ranges)
    integer = integer_nodes(graph, scheme, keep_float | spoiling)
    visible = visible_bounds(graph, integer, scheme)
    unification = Unification(graph, integer, visible, ranges, scheme)
    activations = unification.parameters()
    operands = {
        **{use: activations[result] for use, result in unification.requantised().items()},
        **dict(_constant_operands(graph, integer, activations, scheme)),
    }
    weights, notes = _plan_weights(graph, integer, activations, operands, scheme)
    return QuantPlan(
        activations=activations,
        weights=weights,
        operands=operands,
        float_nodes=frozenset(
            node for node in graph if node not in integer and _computes_reals(node)
        ),
        vanishing=frozenset(node for node in integer if is_saturation(node, activations, scheme)),
        limits={
            value: bounds
            for value, bounds in visible.items()
            if bounds != EVERYTHING and value in activations
        },
        notes=(*(_JOINED_IN_FLOAT.format(node.location) for node in spoiling), *notes),
    )


def _computes_reals(node: Node[Op]) -> bool:
    return any(value.type.dtype is DType.F32 for value in (*node.operands, *node.outputs))


def _constant_operands(
    graph: Graph,
    integer: AbstractSet[Node[Op]],
    activations: Mapping[Value, QuantParams],
    scheme: Scheme,
) -> Iterator[tuple[Use, QuantParams]]:
    """The quantisation in which each constant is read, weights and biases excepted."""
    for node in graph:
        if node not in integer or weight_of(node) is not None:
            continue
        for index, value in enumerate(node.inputs):
            if value is None or not value.is_constant:
                continue
            if node.op.quantisation is Quantisation.SAME:
                yield Use(node, index), activations[node.outputs[0]]
            else:
                yield Use(node, index), scheme.activation_params(*constant_range(value))


def _plan_weights(
    graph: Graph,
    integer: AbstractSet[Node[Op]],
    activations: Mapping[Value, QuantParams],
    operands: Mapping[Use, QuantParams],
    scheme: Scheme,
) -> tuple[dict[Value, QuantParams], tuple[str, ...]]:
    planned: dict[Value, QuantParams] = {}
    notes: list[str] = []
    for node in graph:
        weight, bias = weight_of(node), bias_of(node)
        if node not in integer or weight is None:
            continue
        for constant in (weight, bias):
            _require_finite(node, constant)
        scales = guarded_weight_params(
            weight.data,
            None if bias is None else bias.data,
            operands.get(Use(node, 0), activations[node.input(0)]),
            activations[node.outputs[0]],
            scheme,
            span=span_of(node.input(0), scheme.activation_dtype) if scheme.symmetric else None,
            per_axis=scheme.has_per_axis_weights(node.op),
        )
        if scales.coarser:
            notes.append(
                f"{node.location}: {len(scales.coarser)} channels have coarser weights, so that "
                f"their sums fit the accumulator"
            )
        earlier = planned.get(weight)
        planned[weight] = scales.params if earlier is None else _wider(earlier, scales.params)
    return planned, tuple(notes)


def _wider(first: QuantParams, second: QuantParams) -> QuantParams:
    """Parameters that serve two readers of one weight."""
    if first.axis is None or second.axis is None:
        return QuantParams.per_tensor(max(*first.scales, *second.scales))
    greater = map(max, first.scales, second.scales)
    return QuantParams.per_axis(tuple(greater), axis=0)


def _require_finite(node: Node[Op], constant: Value | None) -> None:
    if constant is not None and not np.isfinite(constant.data).all():
        raise QuantError(
            "weights-not-finite",
            f"%{constant.name}, a parameter of {node.op.mnemonic}, holds NaN or infinity",
            location=node.location,
            help="such a model cannot be quantised; export it again from sound weights",
        )
