"""Models that are quantised already: their QuantizeLinear and DequantizeLinear read as a plan.

Such a model computes on reals that pass through integers. Removing the passages gives a float
graph; what they say about scales and zero points is exactly a `QuantPlan` for it, and carrying that
plan out gives the integer graph, with the same rules as for models that fpc quantises itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np

from fpc.diagnostics.render import listed
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Op, Quantisation
from fpc.ir.ops import Dequantize, Quantize, Requantize
from fpc.ir.types import QuantParams
from fpc.quant.analysis.placement import has_integer_form, weight_of
from fpc.quant.analysis.saturation import clamp_bounds, is_saturation
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.ranges import constant_range
from fpc.quant.plan import QuantPlan
from fpc.quant.planning.weights import weight_params
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16, TVM_INT16, Scheme

_PASSAGES = (Quantize, Dequantize, Requantize)
_SHOWN_NAMES = 4


def is_quantised(graph: Graph) -> bool:
    """Whether any activation of an imported graph passes through integers."""
    return any(isinstance(node.op, _PASSAGES) for node in graph)


def integer_graph(
    graph: Graph, constant_params: Mapping[Value, QuantParams], notes: list[str]
) -> Graph:
    """The integer form of a graph whose activations pass through quantize and dequantize.

    `constant_params` are the quantisations of weights that the model stores as integers. Nodes that
    the model leaves in float, or that have no integer form, stay float. Inputs and outputs become
    integers where the model quantises them. Adds to `notes` what the user should know.
    """
    widths = {value.type.dtype for node in graph for value in node.outputs if value.type.quant}
    dtype = DType.I16 if widths == {DType.I16} else DType.I8
    stripped = _strip(graph, constant_params, dtype)
    wide = _wide_weights(stripped)
    scheme = TFLITE_INT8
    if dtype is DType.I16:
        scheme = TVM_INT16 if wide else TFLITE_INT16
    elif wide:
        names = listed([weight.name for weight in wide], _SHOWN_NAMES)
        notes.append(f"weights of 16 bits, rounded to 8 as activations are ({len(wide)}): {names}")
    plan = _plan(stripped, scheme)
    floating = [str(node.location) for node in stripped.graph if node in plan.float_nodes]
    if floating:
        shown = listed(floating, _SHOWN_NAMES)
        notes.append(f"nodes of the quantised model that stay float ({len(floating)}): {shown}")
    return apply_plan(stripped.graph, plan, scheme)


@dataclass
class _Stripped:
    """A float graph and the quantisations that its values passed through."""

    graph: Graph
    activations: dict[Value, QuantParams] = field(default_factory=dict[Value, QuantParams])
    constants: dict[Value, QuantParams] = field(default_factory=dict[Value, QuantParams])


def _wide_weights(stripped: _Stripped) -> list[Value]:
    """The weights whose integers, as the model stores them, int8 does not hold."""
    weights = filter(None, map(weight_of, stripped.graph))
    stored = ((weight, stripped.constants.get(weight)) for weight in weights)
    return [
        weight
        for weight, params in stored
        if params is not None and params.is_symmetric and not _holds(TFLITE_INT8, weight, params)
    ]


def _holds(scheme: Scheme, weight: Value, params: QuantParams) -> bool:
    """Whether the integers of `weight` are some of the scheme's, its limit exceeded by one at most.

    One is what int8 has below -127, where saturation is harmless.
    """
    channels_last = np.moveaxis(weight.data, params.axis or 0, -1)
    return bool(np.abs(channels_last / np.array(params.scales)).max() < scheme.weight_limit + 1.5)


def _strip(graph: Graph, constant_params: Mapping[Value, QuantParams], dtype: DType) -> _Stripped:
    result = _Stripped(Graph(graph.name))
    twins: dict[Value, Value] = {}

    def record(value: Value) -> None:
        quant = value.type.quant
        if quant is not None and quant.axis is None and value.type.dtype is dtype:
            result.activations.setdefault(twins[value], quant)

    for value in graph.inputs:
        reals = value.type.with_dtype(DType.F32) if value.type.is_quantised else value.type
        twins[value] = result.graph.add_input(value.name, reals)
        record(value)
    for value in graph.constants:
        assert value.constant is not None
        twins[value] = result.graph.constant_of(value.constant, value.type, value.name)
        if value in constant_params:
            result.constants[twins[value]] = constant_params[value]
    for node in graph:
        if isinstance(node.op, _PASSAGES):
            twin = twins[node.input(0)]
            twins[node.output] = twin
        else:
            operands = [None if value is None else twins[value] for value in node.inputs]
            names = [value.name for value in node.outputs]
            made = result.graph.add(node.op, *operands, names=names, location=node.location)
            twins.update(zip(node.outputs, made.outputs, strict=True))
        for value in node.outputs:
            record(value)
    result.graph.set_outputs(twins[value] for value in graph.outputs)
    return result


def _plan(stripped: _Stripped, scheme: Scheme) -> QuantPlan:
    graph = stripped.graph
    activations = _completed(stripped, scheme)
    integer = dict.fromkeys(
        node
        for node in graph
        if has_integer_form(node, scheme)
        and all(value in activations or value.is_constant for value in node.operands)
        and all(value in activations for value in node.outputs)
    ).keys()
    stated = _settle_results(graph, integer, activations, scheme)
    operands: dict[Use, QuantParams] = {}
    weights: dict[Value, QuantParams] = {}
    for node in integer:
        weight = weight_of(node)
        if weight is not None:
            weights[weight] = _weight_params(node, weight, stripped, scheme)
        for index, value in enumerate(node.operands):
            if weight is None or index == 0:
                wanted = _read_params(node, value, activations, stated, stripped.constants, scheme)
                if value.is_constant or wanted != activations[value]:
                    operands[Use(node, index)] = wanted
    read = {value for node in integer for value in (*node.operands, *node.outputs)}
    return QuantPlan(
        activations={value: params for value, params in activations.items() if value in read},
        weights=weights,
        operands=operands,
        float_nodes=frozenset(node for node in graph if node not in integer),
        vanishing=frozenset(n for n in integer if is_saturation(n, activations, scheme)),
    )


def _completed(stripped: _Stripped, scheme: Scheme) -> dict[Value, QuantParams]:
    """The model's activations, and those it need not state.

    A value that only a clamp reads takes the clamp's parameters (saturation does the clamping);
    what merely moves values keeps theirs.
    """
    activations = dict(stripped.activations)
    for node in reversed(stripped.graph):
        moves = node.op.quantisation is Quantisation.SAME and type(node.op) in scheme.integer_ops
        if (moves or clamp_bounds(node.op) is not None) and node.outputs[0] in activations:
            for value in node.operands:
                if not value.is_constant and value.has_one_use:
                    activations.setdefault(value, activations[node.outputs[0]])
    for node in stripped.graph:
        moves = node.op.quantisation is Quantisation.SAME and type(node.op) in scheme.integer_ops
        sources = [activations.get(v) for v in node.operands if not v.is_constant]
        if moves and sources and sources[0] is not None and len(set(sources)) == 1:
            for value in node.outputs:
                activations.setdefault(value, sources[0])
    return activations


def _settle_results(
    graph: Graph,
    integer: AbstractSet[Node[Op]],
    activations: dict[Value, QuantParams],
    scheme: Scheme,
) -> dict[Value, QuantParams]:
    """Give results the parameters that the integer operators can write.

    Some results have prescribed ones; what moves a single operand keeps the operand's. For the
    latter, the parameters that the model states are returned: readers requantise to them.
    """
    stated: dict[Value, QuantParams] = {}
    for node in graph:
        if node not in integer:
            continue
        fixed = scheme.fixed_results.get(type(node.op))
        if fixed is not None:
            activations[node.outputs[0]] = fixed
        elif node.op.quantisation is Quantisation.SAME and len(node.operands) == 1:
            for value in node.outputs:
                stated[value] = activations[value]
                activations[value] = activations[node.input(0)]
    return stated


def _read_params(
    node: Node[Op],
    value: Value,
    activations: Mapping[Value, QuantParams],
    stated: Mapping[Value, QuantParams],
    constants: Mapping[Value, QuantParams],
    scheme: Scheme,
) -> QuantParams:
    """The parameters in which `node` reads `value`."""
    if node.op.quantisation is Quantisation.SAME:
        return activations[node.outputs[0]]
    if not value.is_constant:
        return stated.get(value, activations[value])
    stored = constants.get(value)
    if stored is not None and stored.axis is None:
        return stored
    return scheme.activation_params(*constant_range(value))


def _weight_params(
    node: Node[Op], weight: Value, stripped: _Stripped, scheme: Scheme
) -> QuantParams:
    """The stored parameters of a weight where they are what the scheme takes, else new ones."""
    stored = stripped.constants.get(weight)
    per_axis = scheme.has_per_axis_weights(node.op)
    if stored is not None and stored.is_symmetric and _holds(scheme, weight, stored):
        if stored.axis is None and per_axis:
            return QuantParams.per_axis(stored.scales * weight.type.shape[0], 0)
        if stored.axis == (0 if per_axis else None):
            return stored
    return weight_params(weight.data, scheme, per_axis=per_axis)
