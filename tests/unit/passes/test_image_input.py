import numpy as np
import pytest

from fpc.diagnostics.errors import PassError
from fpc.interp.executor import run
from fpc.ir.constant import Constant
from fpc.ir.ops import Concat, Conv2d, MaxPool, Relu, Sigmoid
from fpc.ir.printer import print_graph
from fpc.ir.types import f32
from fpc.ir.verifier import verify
from fpc.passes.manifest import MANIFEST
from fpc.rewrite.spec import parse_pipeline
from tests.unit.passes.case import Network, assert_close

PASS = "image-input"
SIDE = 6


def convert(graph, options):
    """Normalising twice is normalising again, so there is no fixed point to check."""
    after = graph.clone()
    (step,) = parse_pipeline(f"{PASS}{{{options}}}", MANIFEST)
    result = step.run(after)
    verify(after)
    assert [(v.name, v.type) for v in after.inputs] == [(v.name, v.type) for v in graph.inputs]
    assert [v.name for v in after.outputs] == [v.name for v in graph.outputs]
    return after, result


def normalised(pixels, mean, std, scale, order):
    if order == "bgr":
        pixels = pixels[:, ::-1]
    shape = (1, -1, 1, 1)
    return ((pixels * scale - np.reshape(mean, shape)) / np.reshape(std, shape)).astype(np.float32)


def pixels(channels):
    return np.random.default_rng(0).integers(0, 256, (1, channels, SIDE, SIDE)).astype(np.float32)


def first_convolution(net, **attributes):
    channels = net.x.type.shape[1]
    return net.add(Conv2d(**attributes), net.x, net.weights(4, channels, 3, 3), net.weights(4))


def convolved(channels=3, **attributes):
    net = Network(1, channels, SIDE, SIDE)
    return net.returns(net.add(Relu(), first_convolution(net, **attributes)))


GREY = "mean=127.5, std=127.5"
COLOUR = "mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225], scale=0.00392156862745098"


def test_golden(golden):
    net = Network(1, 3, SIDE, SIDE)
    graph = net.returns(first_convolution(net, pads=(1, 1, 0, 1)))
    after, _ = convert(graph, "mean=[4, 2, 1], std=[2, 4, 8], order=bgr")
    assert print_graph(graph) + "\n" + print_graph(after) == golden


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1), (2, 0, 0, 0)])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_colour_images(pads, order):
    graph = convolved(pads=pads, strides=(2, 2))
    after, result = convert(graph, f"{COLOUR}, order={order}")
    image = pixels(3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    (expected,) = run(graph, [normalised(image, mean, std, 1 / 255, order)])
    assert_close(run(after, [image])[0], expected)
    assert result.modified
    assert not result.declined
    sides = (pads[0] or pads[2], pads[1] or pads[3])
    assert sum(isinstance(node.op, Concat) for node in after) == sum(map(bool, sides))


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_padding_is_a_pad(channels):
    graph = convolved(channels, pads=(1, 1, 1, 1))
    after, _ = convert(graph, GREY)
    image = pixels(channels)
    (expected,) = run(graph, [normalised(image, 127.5, 127.5, 1.0, "rgb")])
    assert_close(run(after, [image])[0], expected)
    assert [node.op.mnemonic for node in after] == ["pad", "conv2d", "relu"]
    assert after.nodes[0].op.value == 127.5


def test_padding_without_mean_stays_in_the_convolution():
    after, _ = convert(convolved(pads=(1, 1, 1, 1)), "std=255")
    assert [node.op.mnemonic for node in after] == ["conv2d", "relu"]


def grouped(net):
    return net.add(Conv2d(groups=3), net.x, net.weights(3, 1, 3, 3))


FRONTS = [
    (lambda n: n.add(MaxPool((2, 2)), n.x), "is no convolution of the image"),
    (grouped, "is grouped"),
]


@pytest.mark.parametrize(("make", "reason"), FRONTS)
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_a_convolution_in_front(make, reason, order):
    net = Network(1, 3, SIDE, SIDE)
    graph = net.returns(make(net))
    after, result = convert(graph, f"{COLOUR}, order={order}")
    assert reason in result.declined[0].reason
    image = pixels(3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    (expected,) = run(graph, [normalised(image, mean, std, 1 / 255, order)])
    assert_close(run(after, [image])[0], expected)
    assert after.nodes[0].op == Conv2d(groups=1 if order == "bgr" else 3)


def test_an_image_that_is_returned():
    net = Network(1, 3, SIDE, SIDE)
    graph = net.returns(first_convolution(net), net.x)
    after, result = convert(graph, COLOUR)
    assert not result.declined
    assert after.outputs[1] is after.inputs[0]


def test_weights_of_which_only_the_shape_is_known():
    net = Network(1, 3, SIDE, SIDE)
    weights = net.graph.constant_of(Constant.abstract(), f32(2, 3, 1, 1), "w")
    _, result = convert(net.returns(net.add(Conv2d(), net.x, weights)), COLOUR)
    assert "are not known" in result.declined[0].reason


def test_an_image_nobody_reads():
    net = Network(1, 3, SIDE, SIDE)
    after, result = convert(net.returns(net.add(Sigmoid(), net.weights(3))), COLOUR)
    assert not result.modified
    assert len(after) == 1


def test_nothing_to_do():
    graph = convolved()
    _, result = convert(graph, "mean=0")
    assert not result.modified
    _, result = convert(convolved(1), "order=bgr")
    assert not result.modified


@pytest.mark.parametrize(
    ("options", "message"),
    [("mean=[1, 2]", "2 numbers of mean for 3 channels"), ("std=0", "divide by zero")],
)
def test_numbers_that_do_not_fit(options, message):
    with pytest.raises(PassError, match=message):
        convert(convolved(), options)


def test_graphs_without_an_image():
    net = Network(1, 8)
    with pytest.raises(PassError, match="no single image input"):
        convert(net.returns(net.add(Sigmoid(), net.x)), GREY)
