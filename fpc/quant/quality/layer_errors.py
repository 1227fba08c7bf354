"""The error of every layer of an integer network: inherited and its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fpc.interp.runner import RunnerFactory, Samples
from fpc.interp.two_at_once import both
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op, Quantisation
from fpc.ir.ops import Dequantize, Quantize, Requantize
from fpc.quant.analysis.placement import weight_of
from fpc.quant.analysis.saturation import Bounds
from fpc.quant.calibration.activations import returning
from fpc.quant.plan import QuantPlan
from fpc.quant.quality.guard import run_on_reals
from fpc.quant.quality.verdict import Deviation, LayerQuality
from fpc.quant.refinement.segments import extract
from fpc.quant.runners import Runners

_MOST_SAMPLES = 2
_CONVERSIONS = (Quantize, Dequantize, Requantize)


def layer_errors(
    graph: Graph,
    integer: Graph,
    samples: Samples,
    runners: Runners,
    *,
    plan: QuantPlan | None = None,
    own: bool = False,
) -> tuple[LayerQuality, ...]:
    """How far each layer of `integer` is from `graph`, on the first two of `samples`.

    The float graph is the one that was quantised: values are paired by name. plan: tells where
    saturation clips earlier than the float graph does. `own` also measures what each layer adds by
    itself, which takes a runner a layer. Where values are only moved there are no layers.
    """
    limits: Mapping[Value, Bounds] = {} if plan is None else plan.limits
    pairs = tuple(_paired_values(graph, integer))
    if not pairs:
        return ()
    observing = returning(integer, [pair.value for pair in pairs])
    run_integer, run_float = both(
        lambda: runners.integer(observing),
        lambda: runners.floating(returning(graph, [pair.real for pair in pairs])),
    )
    totals = {pair.value: Deviation() for pair in pairs}
    owns = {pair.value: Deviation() for pair in pairs}
    for _, sample in zip(range(_MOST_SAMPLES), samples, strict=False):
        exact = {
            pair.value: np.clip(array, *limits[pair.real]) if pair.real in limits else array
            for pair, array in zip(pairs, run_float(sample), strict=True)
        }
        for pair, got in zip(pairs, run_on_reals(run_integer, observing, sample), strict=True):
            totals[pair.value].add(exact[pair.value], got)
        if own:
            exact.update(zip(integer.inputs, sample, strict=True))
            for value, got in _alone(integer, exact, runners.integer):
                owns[value].add(exact[value], got)
    return tuple(
        LayerQuality(
            name=pair.value.name,
            op=pair.node.op.mnemonic,
            sqnr_db=totals[pair.value].sqnr_db,
            cosine=totals[pair.value].cosine,
            own_sqnr_db=owns[pair.value].sqnr_db if own else None,
            weight_bits=_weight_bits(pair.node),
            location=pair.node.location,
        )
        for pair in pairs
    )


def _weight_bits(node: Node[Op]) -> int | None:
    weight = weight_of(node)
    if weight is None or not weight.type.is_quantised:
        return None
    rows = weight.data.reshape(len(weight.data), -1)
    greatest = np.abs(rows.astype(np.int32)).max(axis=1, initial=0)
    return 1 + int(np.median(greatest)).bit_length()


@dataclass(frozen=True)
class _Pair:
    """A value of the integer graph, its node, and the value of the float graph it stands for."""

    node: Node[Op]
    value: Value
    real: Value


def _paired_values(graph: Graph, integer: Graph) -> Iterator[_Pair]:
    """What computing nodes make; what only moves values is left out. Names tell the pairs."""
    reals = {
        value.name: value
        for node in graph
        for value in node.outputs
        if value.type.dtype is DType.F32
    }
    for node in integer:
        if isinstance(node.op, _CONVERSIONS) or node.op.quantisation is Quantisation.SAME:
            continue
        for value in node.outputs:
            real = reals.get(value.name)
            if real is not None and real.type.dtype is DType.F32:
                yield _Pair(node, value, real)


def _alone(
    integer: Graph, exact: Mapping[Value, Array], make_runner: RunnerFactory
) -> Iterator[tuple[Value, Array]]:
    """What each node makes of the exact values of its operands, where those are known."""
    for node in integer:
        operands = [value for value in dict.fromkeys(node.operands) if not value.is_constant]
        made = [value for value in node.outputs if value in exact]
        if not made or any(value not in exact for value in operands):
            continue
        alone = extract([node], operands, made)
        yield from zip(
            made, run_on_reals(make_runner(alone), alone, [exact[v] for v in operands]), strict=True
        )
