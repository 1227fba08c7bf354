"""What networks take, against what LiteRT allocates, files hold and `fpc check` says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fpc.backends.onnx.emit import emit_bytes
from fpc.costmodel.footprint import peak_bytes
from fpc.costmodel.kernels import kernels_of
from fpc.driver.check import check_model
from fpc.driver.compile import compile_model
from fpc.driver.options import CompileOptions, Precision
from fpc.ir.graph import Graph
from fpc.search import catalog
from fpc.search.costs.delegation import legalised, logits_of
from fpc.search.costs.footprint import Footprint
from fpc.search.limits.setting import Limits, SettingLimits
from fpc.search.space.choices import choices_of
from fpc.search.space.description import Space, Subnet
from fpc.search.space.network import build
from fpc.targets import catalog as targets
from fpc.zoo.builder import Padding

SPACES = ("fox-nas", "mnasnet", "fasternet", "ofa-mbv3")
TARGET = targets.load("rpi4-arm")


def small(name: str, side: int = 64) -> Space:
    return catalog.load(name).model_copy(update={"resolutions": (side,)})


def drawn(space: Space, seed: int) -> Subnet:
    random = np.random.default_rng(seed)
    stages = tuple(stage[int(random.integers(len(stage)))] for stage in choices_of(space))
    return Subnet(space.settings[0], stages)


@cache
def compiled(name: str, seed: int) -> tuple[Graph, bytes]:
    """A network, with shapes only, and its int8 file."""
    space = small(name)
    subnet = drawn(space, seed)
    options = CompileOptions(
        target=TARGET.name, precision=Precision.INT8, recipe="min-max", allow_degraded=True
    )
    return build(space, subnet), compile_model(build(space, subnet, seed), options).model


def arena_bytes(content: bytes) -> int:
    """From the first to the last byte of what LiteRT's own kernels are given for activations."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    made = {output for op in interpreter._get_ops_details() for output in op["outputs"]}
    made |= {each["index"] for each in interpreter.get_input_details()}
    spans = []
    for index in made:
        tensor = interpreter.tensor(index)()
        start = tensor.__array_interface__["data"][0]
        spans.append((start, start + tensor.nbytes))
    return max(end for _, end in spans) - min(start for start, _ in spans)


@pytest.mark.parametrize("name", SPACES)
def test_memory_is_what_litert_allocates(name):
    """Its planner leaves gaps where values do not fit one another's places."""
    graph, content = compiled(name, 0)
    found = Footprint.of(graph, TARGET).memory_bytes
    assert found <= arena_bytes(content) <= 1.07 * found


@pytest.mark.parametrize("name", SPACES)
def test_size_is_that_of_the_file(name):
    """But for tables and names, which weigh more in the smallest of networks."""
    graph, content = compiled(name, 0)
    found = Footprint.of(graph, TARGET).size_bytes
    assert 0.975 * len(content) < found < len(content)


@pytest.mark.parametrize("target", ["rpi4-arm", "dsp", "fpga", "host"])
@pytest.mark.parametrize("name", SPACES)
def test_what_leaves_the_fast_unit_is_what_check_says(name, target, tmp_path):
    space, description = small(name), targets.load(target)
    subnet = drawn(space, 1)
    file = tmp_path / "network.onnx"
    file.write_bytes(emit_bytes(build(space, subnet, seed=0)))
    checked = {node.op for node in check_model(file, description, {}).nodes if not node.is_fast}
    refused = Footprint.of(build(space, subnet), description).refusals
    assert {each.mnemonic for each in refused} == checked


@pytest.mark.parametrize("name", SPACES)
def test_networks_take_what_their_pieces_do(name):
    space, choices = small(name), choices_of(small(name))
    limits = SettingLimits.of(space, space.settings[0], choices, Limits(), TARGET)
    for seed in range(6):
        subnet = drawn(space, seed)
        graph = build(space, subnet)
        whole = Footprint.of(graph, TARGET)
        assert limits.size.of(choices, subnet) == whole.size_bytes
        assert limits.multiply_adds.of(choices, subnet) == whole.multiply_adds
        assert limits.memory.of(choices, subnet, max) == whole.memory_bytes
        assert whole.multiply_adds == sum(kernel.work.multiply_adds for kernel in kernels_of(graph))


@pytest.mark.parametrize("name", SPACES)
def test_memory_is_the_most_that_any_moment_needs(name):
    """Liveness from the other end: every value counts at every moment it lies between its ends."""
    space = catalog.load(name).model_copy(update={"padding": Padding.SAME})
    for seed in range(3):
        subnet = drawn(space, seed)
        graph = legalised(build(space, subnet), TARGET)
        nodes, moments = list(graph), np.zeros(len(graph))
        for value in {*graph.inputs, *(value for node in nodes for value in node.outputs)}:
            if value.producer is not None and value.producer.op.mnemonic == "reshape":
                continue
            readers = [nodes.index(use.user) for use in value.uses if use.user is not graph]
            begins = 0 if value.producer is None else nodes.index(value.producer)
            ends = len(nodes) if value.producer is None or value in graph.outputs else max(readers)
            moments[begins : ends + 1] += value.type.size
        assert peak_bytes(graph) == moments.max()


def test_logits_where_softmax_leaves_the_fast_unit():
    space = catalog.load("fox-nas")
    logits, refused = logits_of(space, TARGET)
    assert [layer.layer for layer in logits.head] == [layer.layer for layer in space.head][:-1]
    assert refused is not None
    assert refused.mnemonic == "softmax"
    assert logits_of(space, targets.load("dsp")) == (space, None)
    assert logits_of(catalog.load("mnasnet"), TARGET) == (catalog.load("mnasnet"), None)
