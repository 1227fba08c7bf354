"""From a float graph and a plan to the integer graph."""

from __future__ import annotations

from collections.abc import Mapping

from fpc.diagnostics.location import Location
from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Op
from fpc.ir.types import QuantParams, TensorType
from fpc.quant.analysis.placement import bias_of, weight_of
from fpc.quant.analysis.saturation import clamp_bounds, contains
from fpc.quant.plan import QuantPlan
from fpc.quant.planning.weights import quantise_activation, quantise_bias, quantise_weight
from fpc.quant.scheme import Scheme


def apply_plan(
    graph: Graph,
    plan: QuantPlan,
    scheme: Scheme,
    *,
    weights: Mapping[Value, Array] | None = None,
    biases: Mapping[Node[Op], Array] | None = None,
) -> Graph:
    """The integer form of `graph`, a new graph; values keep their names, nodes their locations.

    weights: integers to use for a weight instead of rounding it to nearest (same shape, in the
    parameters of `plan.weights`). biases: real-valued biases ([out channels]) to use for a node
    instead of its own, whether it had one or not. A value whose clamp vanishes carries the clamp's
    name. Graph inputs are integers unless only float nodes read them, graph outputs unless a float
    node makes them.
    """
    builder = _Builder(graph, plan, scheme, weights or {}, biases or {})
    for node in graph:
        builder.convert(node)
    return builder.finish()


class _Builder:
    """The integer graph under construction: every float value's integer and float twins."""

    def __init__(
        self,
        graph: Graph,
        plan: QuantPlan,
        scheme: Scheme,
        weights: Mapping[Value, Array],
        biases: Mapping[Node[Op], Array],
    ) -> None:
        self._source = graph
        self._plan = plan
        self._scheme = scheme
        self._weights = weights
        self._biases = biases
        self._result = Graph(graph.name)
        self._integers: dict[Value, Value] = {}
        self._reals: dict[Value, Value] = {}
        self._requantised: dict[tuple[Value, QuantParams], Value] = {}
        self._constants: dict[tuple[Value, QuantParams], Value] = {}
        self._names = _names_past_clamps(graph, plan)
        for value in graph.inputs:
            params = plan.activations.get(value)
            if params is None:
                self._reals[value] = self._result.add_input(value.name, value.type)
            else:
                self._integers[value] = self._result.add_input(
                    value.name, self._integer_type(value, params)
                )

    def convert(self, node: Node[Op]) -> None:
        """Add the twin of `node`."""
        if node in self._plan.vanishing:
            self._integers[node.output] = self._integer(node.input(0), node.location)
        elif node in self._plan.float_nodes or node.outputs[0] not in self._plan.activations:
            operands = [None if v is None else self._real(v, node.location) for v in node.inputs]
            self._add(node, operands, [value.type for value in node.outputs], self._reals)
        elif clamp_bounds(node.op) is not None and self._saturates(node.output):
            params = self._plan.activations[node.output]
            operand = self._integer(node.input(0), node.location)
            self._integers[node.output] = self._requantise(
                operand, params, self._names[node.output], node.location
            )
        else:
            operands = self._weighted_operands(node) or [
                None if value is None else self._operand(node, index, value)
                for index, value in enumerate(node.inputs)
            ]
            types = [self._integer_type(v, self._plan.activations[v]) for v in node.outputs]
            self._add(node, operands, types, self._integers)

    def finish(self) -> Graph:
        """The whole graph."""
        self._result.set_outputs(
            self._integers[value]
            if value in self._integers and value.producer not in self._plan.float_nodes
            else self._real(value, value.location)
            for value in self._source.outputs
        )
        return self._result

    def _add(
        self,
        node: Node[Op],
        operands: list[Value | None],
        types: list[TensorType],
        twins: dict[Value, Value],
    ) -> None:
        made = self._result.add(
            node.op,
            *operands,
            names=[self._names[value] for value in node.outputs],
            results=types,
            location=node.location,
        )
        twins.update(zip(node.outputs, made.outputs, strict=True))

    def _integer_type(self, value: Value, params: QuantParams) -> TensorType:
        return TensorType(self._scheme.activation_dtype, value.type.shape, params)

    def _saturates(self, result: Value) -> bool:
        """Whether writing a clamp's result in its own parameters does all the clamping."""
        params = self._plan.activations[result]
        node = result.producer
        bounds = None if node is None else clamp_bounds(node.op)
        representable = self._scheme.representable(params)
        return bounds is not None and contains(bounds, representable, slack=params.scale / 2)

    def _operand(self, node: Node[Op], index: int, value: Value) -> Value:
        params = self._plan.operands.get(Use(node, index))
        if value.is_constant and params is not None:
            return self._constant(value, params)
        twin = self._integer(value, node.location)
        if params is None or params == twin.type.quant:
            return twin
        return self._requantise(twin, params, f"{value.name}.requantised", node.location)

    def _constant(self, value: Value, params: QuantParams) -> Value:
        key = value, params
        if key not in self._constants:
            data = quantise_activation(value.data, params, self._scheme.activation_dtype)
            self._constants[key] = self._result.constant(data, value.name, params)
        return self._constants[key]

    def _integer(self, value: Value, location: Location) -> Value:
        if value not in self._integers:
            node = self._result.add(
                ops.Quantize(self._scheme.activation_dtype),
                self._real(value, location),
                name=f"{value.name}.quantised",
                quant=self._plan.activations[value],
                location=location,
            )
            self._integers[value] = node.output
        return self._integers[value]

    def _real(self, value: Value, location: Location) -> Value:
        if value not in self._reals:
            if value.constant is not None:
                twin = self._result.constant_of(value.constant, value.type, value.name)
            else:
                twin = self._result.add(
                    ops.Dequantize(),
                    self._integers[value],
                    name=f"{value.name}.real",
                    location=location,
                ).output
            self._reals[value] = twin
        return self._reals[value]

    def _requantise(
        self, operand: Value, params: QuantParams, name: str, location: Location
    ) -> Value:
        key = operand, params
        if key not in self._requantised:
            self._requantised[key] = self._result.add(
                ops.Requantize(self._scheme.activation_dtype),
                operand,
                name=name,
                quant=params,
                location=location,
            ).output
        return self._requantised[key]

    def _weighted_operands(self, node: Node[Op]) -> list[Value | None]:
        """The operands of a convolution or dense layer; nothing for other nodes."""
        weight, bias = weight_of(node), bias_of(node)
        if weight is None:
            return []
        x = self._operand(node, 0, node.input(0))
        params = self._plan.weights[weight]
        reals = self._biases.get(node, None if bias is None else bias.data)
        if reals is None:
            return [x, self._weight(weight, params), None]
        data, bias_params = quantise_bias(
            reals,
            x.type.quantisation,
            params,
            self._scheme.bias_dtype,
            self._scheme.bias_bits,
        )
        name = f"{node.outputs[0].name}.bias" if bias is None else bias.name
        return [x, self._weight(weight, params), self._result.constant(data, name, bias_params)]

    def _weight(self, weight: Value, params: QuantParams) -> Value:
        key = weight, params
        if key not in self._constants:
            data = self._weights.get(weight)
            if data is None:
                data = quantise_weight(weight.data, params, self._scheme)
            self._constants[key] = self._result.constant(data, weight.name, params)
        return self._constants[key]


def _names_past_clamps(graph: Graph, plan: QuantPlan) -> dict[Value, str]:
    """What each value is called in the integer graph: the last clamp that vanishes names it."""
    names: dict[Value, str] = {}
    for node in reversed(graph):
        for value in node.outputs:
            clamped = next((u for u in value.users if u in plan.vanishing), None)
            names[value] = value.name if clamped is None else names[clamped.output]
    return names
