"""Target descriptions: shipped ones load, wrong ones say what is wrong, rules judge nodes."""

from pathlib import Path

import numpy as np
import pytest

from fpc.diagnostics.errors import TargetError
from fpc.ir.graph import Graph
from fpc.ir.ops import (
    AvgPool,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Coordinates,
    HardSwish,
    Interpolation,
    LeakyRelu,
    LocalResponseNorm,
    MaxPool,
    Pad,
    PadMode,
    Resize,
    Softmax,
)
from fpc.ir.types import f32
from fpc.targets import catalog
from fpc.targets.manual import describe_target, manual
from fpc.targets.rules import RULES, describe


def _node(op, shape=(1, 16, 14, 14), weight=None):
    graph = Graph()
    operands = [graph.add_input("x", f32(*shape))]
    if weight is not None:
        operands.append(graph.constant(np.ones(weight, np.float32)))
    return graph.add(op, *operands)


@pytest.fixture(scope="module")
def pi():
    return catalog.load("rpi4-arm")


def test_shipped_targets_are_listed_and_load():
    assert set(catalog.names()) >= {"dsp", "fpga", "host", "rpi4-arm", "sd855-cpu"}
    for name in catalog.names():
        assert catalog.load(name).name == name


def test_unknown_target_suggests_the_near_miss():
    with pytest.raises(TargetError) as caught:
        catalog.load("rpi4")
    assert caught.value.code == "target.unknown"
    assert "rpi4-arm" in (caught.value.help or "")


def test_missing_file_is_an_error(tmp_path: Path):
    with pytest.raises(TargetError, match="cannot read"):
        catalog.load(str(tmp_path / "none.toml"))


def test_malformed_toml_names_the_file(tmp_path: Path):
    path = tmp_path / "bad.toml"
    path.write_text("name = ")
    with pytest.raises(TargetError, match="not valid TOML"):
        catalog.load(str(path))


def _changed(tmp_path: Path, old: str, new: str) -> str:
    text = catalog.source("host")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    return str(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('rule = "depthwise-taps"', 'rule = "depthwise-tap"', "unknown rule"),
        ("numbers = { maximum = 25 }\n", "", "needs the number"),
        ('ops = ["softmax"]', 'ops = ["softmaxx"]', "unknown operators"),
        ('backend = "tflite"', 'backend = "onnx"', "backend"),
        ("cores = 1", "cores = 0", "cores"),
        ('name = "host"', 'name = "Host!"', "name"),
    ],
)
def test_wrong_descriptions_say_which_field(tmp_path: Path, old: str, new: str, complaint: str):
    with pytest.raises(TargetError) as caught:
        catalog.load(_changed(tmp_path, old, new))
    assert caught.value.code == "target.malformed"
    assert any(complaint in note for note in caught.value.notes)


def test_a_users_file_is_a_target(tmp_path: Path):
    target = catalog.load(_changed(tmp_path, 'name = "host"', 'name = "my-board"'))
    assert target.name == "my-board"


def test_a_3x3_depthwise_is_fast_and_a_7x7_slow(pi):
    fast = pi.place(_node(Conv2d(pads=(1, 1, 1, 1), groups=16), weight=(16, 1, 3, 3)))
    slow = pi.place(_node(Conv2d(pads=(3, 3, 3, 3), groups=16), weight=(16, 1, 7, 7)))
    assert fast.is_fast
    assert fast.effect is None
    assert slow.effect == "slow"
    assert slow.violation is not None
    assert slow.violation.found == "7 x 7 = 49 taps"
    assert "25 taps" in slow.violation.rule


@pytest.mark.parametrize(
    "op", [AvgPool(kernel=(2, 2), strides=(2, 2)), HardSwish(), Softmax(axis=1)]
)
def test_ops_without_an_xnnpack_kernel_leave_the_partition(pi, op):
    placement = pi.place(_node(op))
    assert placement.unit == "tflite"
    assert placement.is_integer
    assert placement.effect == "leaves"
    assert placement.remedy


def test_ops_without_an_integer_form_run_in_float(pi):
    placement = pi.place(_node(LocalResponseNorm()))
    assert not placement.is_integer
    assert "float32" in (placement.reason or "")


def test_leaky_relu_with_a_tiny_slope_leaves(pi):
    assert pi.place(_node(LeakyRelu(alpha=0.1))).is_fast
    assert pi.place(_node(LeakyRelu(alpha=0.001))).effect == "leaves"


def test_16_bit_activations_have_no_fast_path(pi):
    placement = pi.place(_node(Conv2d(), weight=(8, 16, 1, 1)), int16=True)
    assert not placement.is_fast
    assert placement.is_integer


def test_every_rule_has_words():
    for name in RULES:
        words = describe(name, {"minimum": 1.0, "maximum": 2.0, "parallel": 3.0})
        assert words.endswith(".") or words[0].isupper()
        assert "{" not in words


def test_the_manual_tells_every_limit(pi):
    page = describe_target(pi)
    for limit in pi.limits:
        assert limit.remedy in page
    assert "# Targets" in manual([pi])


@pytest.mark.parametrize(
    ("op", "effect"),
    [
        (MaxPool(kernel=(2, 2), strides=(2, 2)), None),
        (MaxPool(kernel=(2, 2), strides=(3, 3)), "leaves"),
        (MaxPool(kernel=(1, 1), strides=(2, 2)), None),
        (MaxPool(kernel=(3, 3), strides=(1, 1), pads=(1, 1, 1, 1)), None),
        (MaxPool(kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)), "leaves"),
        (Resize(size=(28, 28), coordinates=Coordinates.ASYMMETRIC), None),
        (Resize(size=(28, 28)), "leaves"),
        (Resize(size=(84, 84), coordinates=Coordinates.ASYMMETRIC), "leaves"),
        (Resize(size=(20, 20)), "leaves"),
        (Resize(size=(20, 20), interpolation=Interpolation.BILINEAR), None),
        (Pad((0, 0, 1, 1), (0, 0, 1, 1)), None),
        (Pad((0, 0, 1, 1), (0, 0, 1, 1), value=1.0), "leaves"),
        (Pad((0, 0, 1, 1), (0, 0, 1, 1), mode=PadMode.REFLECT), "leaves"),
    ],
)
def test_limits_of_xnnpack(pi, op, effect):
    assert pi.place(_node(op)).effect == effect


def test_a_join_of_many_branches_leaves(pi):
    graph = Graph()
    branches = [graph.add_input(f"x{i}", f32(1, 4, 8, 8)) for i in range(6)]
    assert pi.place(graph.add(Concat(1), *branches[:5])).effect is None
    assert pi.place(graph.add(Concat(1), *branches)).effect == "leaves"


def test_a_grouped_transposed_convolution_is_slow(pi):
    node = _node(ConvTranspose2d(groups=4), weight=(16, 4, 2, 2))
    assert pi.place(node).effect == "slow"
