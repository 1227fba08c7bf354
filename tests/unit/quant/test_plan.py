"""Which values share parameters, which clamps vanish, which nodes stay float: graph by graph."""

from dataclasses import replace

import numpy as np
import pytest

from fpc.diagnostics.errors import QuantError
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Use
from fpc.ir.op import Activation
from fpc.ir.types import QuantParams, f32
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.plan import make_plan
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16

SHAPE = (1, 4, 8, 8)


class Network:
    """A graph under construction, planned on random samples."""

    def __init__(self):
        self.graph = Graph()
        self.rng = np.random.default_rng(0)

    def input(self, name="x", shape=SHAPE):
        return self.graph.add_input(name, f32(*shape))

    def add(self, op, *operands, name=None):
        return self.graph.add(op, *operands, name=name).output

    def conv(self, x, name, gain=1.0, activation=Activation.NONE):
        weight = gain * self.rng.normal(size=(4, x.type.shape[1], 1, 1))
        constant = self.graph.constant(weight.astype(np.float32), f"{name}_w")
        return self.add(ops.Conv2d(activation=activation), x, constant, name=name)

    def constant(self, data, name="c"):
        return self.graph.constant(np.asarray(data, np.float32), name)

    def plan(self, *outputs, scheme=TFLITE_INT8, keep_float=()):
        self.graph.set_outputs(outputs)
        samples = [
            tuple(
                self.rng.normal(size=value.type.shape).astype(np.float32)
                for value in self.graph.inputs
            )
            for _ in range(4)
        ]
        statistics = collect(self.graph, samples, lambda graph: lambda xs: run(graph, list(xs)))
        self.statistics = statistics
        return make_plan(self.graph, statistics, scheme, MinMax(), keep_float=frozenset(keep_float))


@pytest.fixture
def net():
    return Network()


def test_moving_ops_and_average_pooling_share_their_operand_s_parameters(net):
    x = net.conv(net.input(), "conv")
    chain = [x]
    for op in (
        ops.MaxPool((2, 2)),
        ops.AvgPool((2, 2)),
        ops.Pad((0, 0, 1, 1), (0, 0, 1, 1)),
        ops.Transpose((0, 2, 3, 1)),
        ops.Reshape((1, 8, 32)),
        ops.Slice((0, 0, 0), (1, 4, 32), (1, 2, 1)),
    ):
        chain.append(net.add(op, chain[-1]))
    plan = net.plan(chain[-1])
    assert len({plan.activations[value] for value in chain}) == 1
    assert plan.activations[x] == TFLITE_INT8.activation_params(
        net.statistics[x].low, net.statistics[x].high
    )
    assert not plan.float_nodes


def test_padding_widens_the_range_by_its_value(net):
    x = net.conv(net.input(), "conv", gain=0.1)
    padded = net.add(ops.Pad((0, 0, 1, 1), (0, 0, 1, 1), value=-9.0), x)
    plan = net.plan(padded)
    low, _ = TFLITE_INT8.representable(plan.activations[padded])
    assert low == pytest.approx(-9.0, abs=0.05)


def test_global_average_pooling_has_a_range_of_its_own(net):
    x = net.conv(net.input(), "conv")
    mean = net.add(ops.GlobalAvgPool(), x, name="mean")
    plan = net.plan(mean)
    assert plan.activations[mean].scale < plan.activations[x].scale


def test_concat_takes_the_union_of_its_branches(net):
    x = net.input()
    narrow, wide = net.conv(x, "narrow", 0.1), net.conv(x, "wide", 10.0)
    joined = net.add(ops.Concat(1), narrow, wide, name="joined")
    plan = net.plan(net.conv(joined, "tail"))
    assert plan.activations[narrow] == plan.activations[wide] == plan.activations[joined]
    assert not plan.operands


def test_a_narrow_branch_that_others_read_is_requantised(net):
    x = net.input()
    narrow, wide = net.conv(x, "narrow", 0.1), net.conv(x, "wide", 10.0)
    joined = net.add(ops.Concat(1), narrow, wide, name="joined")
    other = net.conv(narrow, "other")
    plan = net.plan(net.conv(joined, "tail"), other)
    node = joined.producer
    assert plan.operands == {Use(node, 0): plan.activations[joined]}
    assert plan.activations[wide] == plan.activations[joined]
    seen = net.statistics[narrow]
    assert plan.activations[narrow] == TFLITE_INT8.activation_params(seen.low, seen.high)


def test_a_branch_of_similar_range_is_joined_even_when_others_read_it(net):
    x = net.input()
    first, second = net.conv(x, "first", 1.0), net.conv(x, "second", 2.0)
    joined = net.add(ops.Concat(1), first, second, name="joined")
    plan = net.plan(joined, net.conv(first, "other"))
    assert plan.activations[first] == plan.activations[second] == plan.activations[joined]
    assert not plan.operands


def test_prescribed_results_keep_their_parameters_at_a_concat(net):
    x = net.conv(net.input(), "conv")
    gate = net.add(ops.Sigmoid(), x, name="gate")
    joined = net.add(ops.Concat(1), x, gate, name="joined")
    plan = net.plan(net.conv(joined, "tail"))
    assert plan.activations[gate] == QuantParams.per_tensor(1 / 256, -128)
    assert plan.operands == {Use(joined.producer, 1): plan.activations[joined]}


def test_outputs_that_one_scale_would_spoil_are_joined_in_float(net):
    boxes = net.conv(net.input(), "boxes", 100.0)
    scores = net.add(ops.Sigmoid(), net.conv(boxes, "scores"))
    joined = net.add(ops.Concat(1), boxes, scores, name="joined")
    moved = net.add(ops.Transpose((0, 2, 3, 1)), joined, name="moved")
    plan = net.plan(moved)
    assert plan.float_nodes == {joined.producer, moved.producer}
    assert len(plan.notes) == 1
    read = net.plan(moved, net.conv(joined, "read"))
    assert not read.float_nodes


def test_outputs_of_similar_ranges_are_joined_in_integers(net):
    x = net.input()
    joined = net.add(ops.Concat(1), net.conv(x, "one"), net.conv(x, "two", 2.0))
    assert not net.plan(joined).float_nodes


def test_a_concat_of_probabilities_keeps_the_prescribed_parameters(net):
    x = net.conv(net.input(), "conv")
    gates = [net.add(ops.Sigmoid(), x), net.add(ops.Sigmoid(), net.conv(x, "other"))]
    joined = net.add(ops.Reshape((1, 512)), net.add(ops.Concat(1), *gates))
    plan = net.plan(joined)
    assert plan.activations[joined] == QuantParams.per_tensor(1 / 256, -128)
    assert not plan.operands


def test_fixed_parameters_in_int16(net):
    x = net.conv(net.input(), "conv")
    plan = net.plan(net.add(ops.Tanh(), x, name="y"), scheme=TFLITE_INT16)
    assert plan.activations[net.graph.find("y")] == QuantParams.per_tensor(1 / 32768, 0)
    assert plan.activations[x].zero_point == 0


def test_maximum_joins_constants_into_the_range(net):
    x = net.conv(net.input(), "conv", 0.1)
    floor = net.constant(-20.0, "floor")
    y = net.add(ops.Maximum(), x, floor, name="y")
    plan = net.plan(y)
    assert plan.operands[Use(y.producer, 1)] == plan.activations[y] == plan.activations[x]
    assert TFLITE_INT8.representable(plan.activations[y])[0] == pytest.approx(-20.0, abs=0.1)


def test_constants_of_arithmetic_have_their_own_parameters(net):
    x = net.conv(net.input(), "conv")
    y = net.add(ops.Mul(), x, net.constant([[[[2.0]]]]), name="y")
    plan = net.plan(y)
    assert plan.operands == {Use(y.producer, 1): TFLITE_INT8.activation_params(0.0, 2.0)}


@pytest.mark.parametrize(
    ("clamp", "low", "high"),
    [
        (ops.Relu(), 0.0, 500.0),
        (ops.Relu6(), 0.0, 6.0),
        (ops.Clip(0.0, 1.0), 0.0, 1.0),
        (ops.Clip(-1.0, 2.0), -1.0, 2.0),
        (ops.Clip(None, 1.0), -500.0, 1.0),
    ],
)
def test_a_clamp_that_alone_reads_its_operand_vanishes(net, clamp, low, high):
    x = net.conv(net.input(), "conv", 5.0)
    y = net.add(clamp, x, name="y")
    plan = net.plan(y)
    assert plan.vanishing == {y.producer}
    seen = net.statistics[x]
    wanted = TFLITE_INT8.activation_params(max(seen.low, low), min(seen.high, high))
    assert plan.activations[x] == plan.activations[y] == wanted


def test_a_clamp_vanishes_through_ops_that_move_and_for_several_readers(net):
    x = net.conv(net.input(), "conv", 5.0)
    pooled = net.add(ops.MaxPool((2, 2)), x, name="pooled")
    first, second = net.add(ops.Relu(), pooled), net.add(ops.Relu6(), pooled)
    plan = net.plan(first, second)
    assert plan.vanishing == {first.producer}
    assert plan.limits[x] == (0.0, np.inf)
    assert plan.activations[x].zero_point == -128
    assert plan.activations[second] == TFLITE_INT8.activation_params(0.0, 6.0)


def test_a_clamp_does_not_pass_an_average(net):
    x = net.conv(net.input(), "conv", 5.0)
    pooled = net.add(ops.AvgPool((2, 2)), x)
    plan = net.plan(net.add(ops.Relu(), pooled))
    assert plan.activations[x].zero_point > -128
    assert not plan.vanishing


def test_a_clamp_stays_when_somebody_reads_past_it(net):
    x = net.conv(net.input(), "conv", 5.0)
    y = net.add(ops.Relu(), x, name="y")
    plan = net.plan(y, x)
    assert not plan.vanishing
    assert plan.activations[x].zero_point > -128
    assert plan.activations[y].zero_point == -128


def test_symmetric_integers_cannot_saturate_at_zero(net):
    x = net.conv(net.input(), "conv", 5.0)
    y = net.add(ops.Relu(), x, name="y")
    plan = net.plan(y, scheme=TFLITE_INT16)
    assert not plan.vanishing
    assert plan.activations[x] == plan.activations[y]
    assert not plan.float_nodes


def test_a_convolution_before_a_hard_swish_spends_nothing_below_minus_3(net):
    x = net.conv(net.input(), "conv", 20.0)
    plan = net.plan(net.add(ops.HardSwish(), x, name="y"))
    assert net.statistics[x].low < -20.0
    assert TFLITE_INT8.representable(plan.activations[x])[0] == pytest.approx(-3.0, abs=0.3)


def test_ops_without_an_integer_form_and_what_follows_them_stay_float(net):
    x = net.conv(net.input(), "conv")
    exp = net.add(ops.Unary(ops.Function.EXP), x, name="exp")
    scaled = net.add(ops.Mul(), exp, net.constant([2.0]), name="scaled")
    moved = net.add(ops.Reshape((1, 256)), scaled, name="moved")
    back = net.conv(scaled, "back")
    plan = net.plan(moved, back)
    assert plan.float_nodes == {exp.producer, scaled.producer, moved.producer}
    assert exp not in plan.activations
    assert moved not in plan.activations
    assert scaled in plan.activations


def test_ranges_of_what_moves_in_float_follow_from_what_was_observed(net):
    x = net.conv(net.input(), "conv")
    exp = net.add(ops.Unary(ops.Function.EXP), x, name="exp")
    padded = net.add(ops.Pad((0, 0, 1, 1), (0, 0, 1, 1), value=-2.0), exp)
    clipped = net.add(ops.Clip(-1.0, 4.0), padded, name="clipped")
    plan = net.plan(net.conv(clipped, "back"))
    assert clipped.producer in plan.float_nodes
    assert plan.activations[clipped] == TFLITE_INT8.activation_params(-1.0, 4.0)


def test_constants_that_are_not_finite_are_named(net):
    x = net.conv(net.input(), "conv")
    net.plan(x)
    y = net.add(ops.Maximum(), x, net.constant(np.inf, "limit"), name="y")
    net.graph.set_outputs([y])
    with pytest.raises(QuantError) as caught:
        make_plan(net.graph, net.statistics, TFLITE_INT8, MinMax())
    assert caught.value.code == "quant.not-finite"
    assert "%limit" in caught.value.message


def test_a_weight_shared_by_two_layers_of_per_tensor_ops_takes_one_scale(net):
    x = net.input()
    weight = net.constant(net.rng.normal(size=(4, 4, 1, 1)), "w")
    first = net.add(ops.Conv2d(), x, weight, name="first")
    second = net.add(ops.Conv2d(), first, weight, name="second")
    scheme = replace(TFLITE_INT8, per_tensor_ops=frozenset({ops.Conv2d}))
    params = net.plan(second, scheme=scheme).weights[weight]
    assert params.axis is None
    assert params.scale == pytest.approx(np.abs(weight.data).max() / 127)


def test_nodes_can_be_kept_float(net):
    x = net.input()
    first = net.conv(x, "first")
    second = net.conv(first, "second")
    plan = net.plan(second, keep_float=[first.producer])
    assert plan.float_nodes == {first.producer}
    assert set(plan.activations) >= {first, second}
    assert first.producer.input(1) not in plan.weights


def test_integers_of_shape_arithmetic_are_left_alone(net):
    x = net.input()
    cast = net.add(ops.Cast(DType.I64), x, name="cast")
    twice = net.add(ops.Add(), cast, cast, name="twice")
    plan = net.plan(twice)
    assert twice not in plan.activations
    assert twice.producer not in plan.float_nodes


def test_a_weight_two_layers_share_serves_both(net):
    x = net.input()
    weight = net.constant(np.full((4, 4, 1, 1), 1e-7), "w")
    small = net.constant(np.zeros(4), "b0")
    large = net.constant(np.full(4, 100.0), "b1")
    first = net.add(ops.Conv2d(), x, weight, small, name="first")
    second = net.add(ops.Conv2d(), x, weight, large, name="second")
    plan = net.plan(first, second)
    reach = 100.0 / (plan.activations[x].scale * plan.weights[weight].scales[0])
    assert reach <= 2**30 * 1.001


def test_weights_that_are_not_finite_name_their_layer(net):
    x = net.input()
    good = net.conv(x, "good")
    weight = net.constant(np.full((4, 4, 1, 1), np.nan), "w")
    net.graph.set_outputs([good])
    plan_of = net.plan(good)
    assert plan_of.weights
    bad = net.add(ops.Conv2d(), good, weight, name="bad")
    net.graph.set_outputs([bad])
    with pytest.raises(QuantError) as caught:
        make_plan(net.graph, {**net.statistics, bad: net.statistics[good]}, TFLITE_INT8, MinMax())
    assert caught.value.code == "quant.weights-not-finite"


def test_a_graph_changed_after_calibration_is_refused(net):
    x = net.conv(net.input(), "conv")
    net.plan(x)
    y = net.add(ops.LeakyRelu(), x, name="y")
    net.graph.set_outputs([y])
    with pytest.raises(QuantError) as caught:
        make_plan(net.graph, net.statistics, TFLITE_INT8, MinMax())
    assert caught.value.code == "quant.not-observed"
