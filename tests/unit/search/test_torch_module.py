"""Written PyTorch modules: they compute what fpc's own graphs compute, and they train."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir.graph import Graph
from fpc.ir.ops import BatchNorm, Softmax
from fpc.search import catalog
from fpc.search.pytorch.module import swapped_activations, torch_module
from fpc.search.space.choices import choices_of
from fpc.search.space.description import Setting, Space, Subnet
from fpc.search.space.encoding import decode, encode
from fpc.search.space.network import build

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # tests run beside each other

EXOTIC = """
name = "3d-glasses"
description = "what no shipped space has"
source = "a test"
resolutions = [33]
padding = "same"
batch_norm_momentum = 0.03
activation = "silu"
excitation = { of = "middle", activation = "silu", gate = "sigmoid" }
stem = [
    { layer = "conv", channels = 8, kernel = 3, stride = 2 },
    { layer = "inverted-residual", channels = 8, kernel = 5, activation = "gelu" },
    { layer = "conv", channels = 16, affine = "bias_and_batch_norm", activation = "none" },
]
head = [
    { layer = "conv", channels = 24, kernel = 3, stride = 2, affine = "bias" },
    { layer = "inverted-residual", channels = 24, expansion = 2 },
    { layer = "conv", channels = 32 },
    { layer = "conv", channels = 8, affine = "none", activation = "relu" },
    { layer = "flatten" },
    { layer = "dense", units = 20 },
    { layer = "dense", units = 10 },
    { layer = "softmax" },
]

[[stage]]
block = "partial-convolution"
channels = 16
stride = 2
depths = [1, 2]
expansions = [2]
kernels = [3, 5]
activation = "hard_swish"

[[stage]]
channels = 24
stride = 2
depths = [2]
expansions = [1, 3]
kernels = [3, 7]
excites = [true]

[[stage]]
channels = 24
depths = [1]
expansions = [2]
kernels = [3]
activation = "none"
"""


@pytest.fixture(params=[*catalog.names(), "exotic"])
def space(request, tmp_path) -> Space:
    if request.param != "exotic":
        return catalog.load(request.param)
    (tmp_path / "exotic.toml").write_text(EXOTIC)
    return catalog.load(str(tmp_path / "exotic.toml"))


def drawn(space: Space, seed: int) -> Subnet:
    """A small network of the space."""
    chance = random.Random(seed)
    stages = tuple(stage[chance.randrange(len(stage))] for stage in choices_of(space))
    return Subnet(Setting(space.resolutions[0], space.widths[0]), stages)


def imported(file: Path, text: str) -> ModuleType:
    file.write_text(text)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network_of(module: ModuleType):
    """An instance of the one class that is a subnet."""
    (name,) = (name for name in vars(module) if name.endswith("Subnet"))
    return getattr(module, name)()


def state_of(graph: Graph) -> dict:
    """The graph's constants as a module's state."""
    state = {value.name: torch.tensor(value.data) for value in graph.constants}
    norms = {node.input(1).name.rpartition(".")[0] for node in graph.nodes_of(BatchNorm)}
    return state | {f"{norm}.num_batches_tracked": torch.tensor(0) for norm in norms}


def outputs_of(graph: Graph, images: np.ndarray) -> np.ndarray:
    """The graph's outputs without its softmax."""
    without = graph.clone()
    for node in without.nodes_of(Softmax):
        without.set_outputs([node.input(0)])
    return run(without, [images])[0]


def images_for(space: Space, count: int = 2) -> np.ndarray:
    side = space.resolutions[0]
    return np.random.default_rng(0).normal(size=(count, 3, side, side)).astype(np.float32)


def test_outputs_are_those_of_the_graph(space, tmp_path):
    """Weights go by name into the module, and the graph's batch norms with them."""
    subnet = drawn(space, 1)
    text = torch_module(space, subnet, swap_activation=False)
    network = network_of(imported(tmp_path / "network.py", text)).eval()
    graph = build(space, subnet, seed=3)
    network.load_state_dict(state_of(graph), strict=True)
    images = images_for(space)
    with torch.no_grad():
        found = network(torch.tensor(images)).numpy()
    expected = outputs_of(graph, images)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_parameters_are_those_of_the_graph(space, tmp_path):
    subnet = drawn(space, 2)
    network = network_of(imported(tmp_path / "network.py", torch_module(space, subnet)))
    trained = sum(parameter.numel() for parameter in network.parameters())
    kept = sum(buffer.numel() for buffer in network.buffers() if buffer.ndim)
    graph = build(space, subnet, seed=0)
    assert trained + kept == sum(value.type.size for value in graph.constants)


def test_one_step_of_training_lowers_the_loss(space, tmp_path):
    module = imported(tmp_path / "network.py", torch_module(space, drawn(space, 3)))
    torch.manual_seed(0)
    network = network_of(module)
    images, labels = torch.tensor(images_for(space, 4)), torch.arange(4)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.02)
    losses = []
    for _ in range(2):
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        optimiser.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_initial_weights_keep_the_variance(tmp_path):
    """By fan-out: 2 / (kernel area x output channels)."""
    space = catalog.load("mnasnet")
    network = network_of(imported(tmp_path / "n.py", torch_module(space, drawn(space, 0))))
    weight = network.feature_mix_layer.conv.weight
    assert weight.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    assert network.classifier.linear.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not network.classifier.linear.bias.any()
    assert network.first_conv.bn.eps == 1e-3


def test_relu6_stands_for_hard_swish(tmp_path):
    space = catalog.load("ofa-mbv3")
    subnet = drawn(space, 0)
    kinds = {}
    for swap in (True, False):
        text = torch_module(space, subnet, swap_activation=swap)
        network = network_of(imported(tmp_path / f"swap_{swap}.py", text))
        kinds[swap] = {type(module).__name__ for module in network.modules()}
        assert ("ReLU6 stands where the space has hard-swish" in text) == swap
    assert {"ReLU6", "ReLU", "Hardsigmoid"} <= kinds[True]
    assert "Hardswish" not in kinds[True]
    assert {"Hardswish", "ReLU", "Hardsigmoid"} <= kinds[False]
    assert swapped_activations(space, subnet) == ("hard-swish",)
    fox_nas = catalog.load("fox-nas")
    assert swapped_activations(fox_nas, drawn(fox_nas, 0)) == ()


def test_file_says_which_subnet_it_is(space, tmp_path):
    for seed in range(3):
        subnet = drawn(space, seed)
        module = imported(tmp_path / "network.py", torch_module(space, subnet))
        assert decode(module.SUBNET) == subnet
        assert subnet.setting.resolution == module.RESOLUTION


def test_files_are_formatted_and_clean(space, tmp_path):
    for seed in range(5):
        for swap in (True, False):
            text = torch_module(space, drawn(space, seed), swap_activation=swap)
            (tmp_path / f"network_{seed}_{swap}.py").write_text(text)
    rules = "E,F,W,I,UP,B,N,SIM,ANN,C4,RET,RUF,PIE,Q"
    for command in (["format", "--diff"], ["check", "--select", rules]):
        words = [sys.executable, "-m", "ruff", *command, "--isolated", str(tmp_path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_writing_does_not_import_torch():
    program = (
        "import sys\n"
        "from fpc.search import catalog\n"
        "from fpc.search.space.encoding import decode\n"
        "from fpc.search.pytorch.module import torch_module\n"
        f"torch_module(catalog.load('fox-nas'), decode('{FOX}'))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


FOX = "160px/24-e3k5-e2k3/40-e3k3s-e2k3s/80-e4k5-e3k7/112-e6k3s-e2k3s-e2k3s/160-e6k7s-e3k3s"
FASTERNET = "224px-w1.6/40-e2k3/80-e2k3-e2k3/160" + "-e2k3" * 8 + "/320-e2k3-e2k3"
OFA = (
    "192px-w1.2/24-e3k3-e3k5/40-e4k5s-e3k3s/80-e6k7-e4k3-e4k3-e4k3/112-e6k3s-e3k3s/160-e6k7s-e6k5s"
)


@pytest.mark.parametrize(
    ("name", "subnet"), [("fox-nas", FOX), ("fasternet", FASTERNET), ("ofa-mbv3", OFA)]
)
def test_file(golden, name, subnet):
    text = torch_module(catalog.load(name), decode(subnet))
    assert text == golden(f"{name}.py.txt")


@pytest.mark.parametrize("name", ["fox-nas", "fasternet"])
def test_exported_network_is_the_graph_again(name, tmp_path):
    """What `export` writes is, loaded by fpc, the network with its softmax, if it has one."""
    from fpc.frontends.onnx import load

    space = catalog.load(name)
    subnet = drawn(space, 4)
    module = imported(tmp_path / "network.py", torch_module(space, subnet))
    network = network_of(module)
    graph = build(space, subnet, seed=5)
    network.load_state_dict(state_of(graph))
    with warnings.catch_warnings():
        # The exporter without further libraries is to go one day, and folds few of its constants.
        warnings.simplefilter("ignore")
        module.export(network, str(tmp_path / "trained.onnx"))
    found = load(tmp_path / "trained.onnx").graph
    images = images_for(space, 1)
    expected = run(graph, [images])[0]
    np.testing.assert_allclose(
        run(found, [images])[0], expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )
    assert encode(subnet).startswith(f"{found.inputs[0].type.shape[-1]}px")
