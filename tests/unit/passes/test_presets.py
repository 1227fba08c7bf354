"""The manifest and the named pipelines."""

import importlib

import numpy as np
import pytest

from fpc.ir.ops import Add, BatchNorm, Clip, Conv2d, Div, Mul, ReduceMean, Relu
from fpc.passes.manifest import MANIFEST
from fpc.passes.presets import PRESETS
from fpc.rewrite.passes import Pass
from fpc.rewrite.spec import parse_pipeline, print_pipeline
from tests.unit.passes.case import Network, transform


@pytest.mark.parametrize("name", MANIFEST)
def test_a_pass_lives_in_the_file_of_its_name(name):
    pass_class = MANIFEST[name]()
    assert issubclass(pass_class, Pass)
    assert pass_class.name == name
    assert pass_class.__module__ == f"fpc.passes.{name.replace('-', '_')}"
    module = importlib.import_module(pass_class.__module__)
    assert (module.__doc__ or "").startswith(f"{name}: ")


@pytest.mark.parametrize("name", PRESETS)
def test_pipelines_round_trip(name):
    passes = parse_pipeline(PRESETS[name], MANIFEST)
    assert parse_pipeline(print_pipeline(passes), MANIFEST) == passes


def test_a_block_as_exporters_write_it(golden):
    """Convolution, batch norm and hard-swish spelt out, twice, and a mean: six nodes are left."""
    net = Network(1, 4, 6, 6)
    y = net.x
    for number in (1, 2):
        y = net.add(Conv2d(), y, net.weights(4, 4, 3, 3), name=f"conv{number}")
        parameters = [net.weights(4), net.weights(4), net.weights(4), net.positive(4)]
        y = net.add(BatchNorm(epsilon=0.0), y, *parameters, name=f"bn{number}")
        gate = net.add(Add(), y, net.constant(3.0))
        gate = net.add(Clip(0.0, 6.0), gate)
        y = net.add(Mul(), y, net.add(Div(), gate, net.constant(6.0)), name=f"hswish{number}")
    y = net.add(Relu(), net.add(ReduceMean((2, 3)), y))
    outcome = transform(net.returns(y), PRESETS["optimise"])
    assert outcome.ops == [
        "conv2d",
        "hard_swish",
        "conv2d",
        "hard_swish",
        "global_avg_pool",
        "relu",
    ]
    assert outcome.text == golden


def test_nhwc_after_optimise():
    net = Network(1, 4, 6, 6)
    y = net.add(Conv2d(), net.x, net.weights(4, 4, 1, 1))
    y = net.add(ReduceMean((2, 3), keep_dims=False), net.add(Relu(), y))
    optimised = transform(net.returns(y), PRESETS["optimise"]).after
    outcome = transform(optimised, PRESETS["nhwc"])
    assert outcome.ops == ["transpose", "conv2d", "global_avg_pool", "reshape"]
    assert np.shape(outcome.after.nodes[1].input(1).data) == (4, 1, 1, 4)
