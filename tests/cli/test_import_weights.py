"""`fpc import-weights`: a supernet's subnet as ONNX, and what it refuses."""

from __future__ import annotations

import datetime as dt
import importlib.util
import runpy

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fpc.search import catalog
from fpc.search.once_for_all.net_config import net_config
from fpc.search.pytorch.module import torch_module
from fpc.search.space.encoding import decode
from tests.cli.invoke import fpc, refuse, succeed

torch = pytest.importorskip("torch")

from tests.supernet import MOBILENET_V3, Choice, small_supernet, subnet_text  # noqa: E402

ACTIVE = [[Choice(4, 5), Choice(3, 3)], [Choice(6, 3), Choice(3, 7), Choice(4, 5)]]
SUBNET = "32px/16-e4k5-e3k3/24-e6k3s-e3k7s-e4k5s"
WORDS = ("import-weights", "supernet.pth", "--space", "space.toml", "-o", "model.onnx")


@pytest.fixture
def supernet(tmp_path, monkeypatch):
    """A supernet whose checkpoint and space are in the current folder."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "images.npz", images=images)
    return small_supernet(tmp_path)[0]


def save(state) -> None:
    torch.save(state, "supernet.pth")


def test_imported_subnet_compiles(golden, supernet):
    words = (*WORDS, "--subnet", SUBNET, "--calib", "images.npz", "--mean", 127, "--std", 60)
    outcome = succeed(*words)
    assert outcome.out + outcome.err == golden
    onnx.checker.check_model(onnx.load("model.onnx"), full_check=True)
    compile_ = ("compile", "model.onnx", "--target", "host", "--int8", "--calib", "images.npz")
    options = ("--mean", 127, "--std", 60, "--allow-degraded", "-o", "compiled", "--json")
    assert succeed(*compile_, *options).document["verification"]["exact"]


def test_imported_weights_go_into_the_module_to_train_further(supernet, tmp_path):
    """The file's tensors have the names of the written module's state."""
    space = catalog.load(str(tmp_path / "space.toml"))
    text = torch_module(space, decode(SUBNET), swap_activation=False)
    (tmp_path / "network.py").write_text(text)
    model = runpy.run_path(str(tmp_path / "network.py"))["SmallMbv3Subnet"]().eval()
    succeed(*WORDS, "--subnet", SUBNET, "--calib", "images.npz")
    tensors = onnx.load("model.onnx").graph.initializer
    state = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in tensors}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert all(key.endswith("num_batches_tracked") for key in missing)
    assert unexpected == ["reshape_shape"]
    images = np.random.default_rng(2).normal(size=(1, 3, 32, 32)).astype(np.float32)
    session = onnxruntime.InferenceSession("model.onnx")
    (expected,) = session.run(None, {session.get_inputs()[0].name: images})
    found = model(torch.tensor(images)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_document(supernet):
    words = (*WORDS, "--subnet", SUBNET, "--calib", "images.npz", "--calib-limit", 5, "--json")
    document = succeed(*words).document
    assert document["subnet"] == SUBNET == subnet_text(ACTIVE, supernet.stages)
    assert document["calibration_images"] == 5
    assert document["notes"] == []


def test_subnet_without_images_is_warned_of(golden, supernet):
    outcome = succeed(*WORDS, "--subnet", SUBNET)
    assert outcome.out + outcome.err == golden


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a file of torch", id="text"),
        pytest.param(b"PK\x03\x04 cut off", id="zip"),
    ],
)
def test_file_that_is_no_checkpoint(supernet, tmp_path, content):
    (tmp_path / "supernet.pth").write_bytes(content)
    refuse(1, "model.not-a-checkpoint", *WORDS, "--subnet", SUBNET)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda: torch.zeros(3), id="tensor"),
        pytest.param(lambda: {"state_dict": [1, 2]}, id="list"),
        pytest.param(lambda: {"epoch": 3}, id="no tensors"),
        pytest.param(lambda: {3: torch.zeros(3, dtype=torch.int64)}, id="numbers"),
    ],
)
def test_checkpoint_of_something_else(golden, supernet, content):
    save(content())
    assert refuse(1, "model.not-a-checkpoint", *WORDS, "--subnet", SUBNET) == golden


def test_objects_are_never_made(supernet):
    """A pickle may name any callable; only tensors and plain containers are read."""
    save({"state_dict": supernet.published_state(), "when": dt.date(2020, 1, 1)})
    message = refuse(1, "model.not-a-checkpoint", *WORDS, "--subnet", SUBNET)
    assert "Weights only load failed" in message


def test_missing_file(golden, supernet):
    words = ("import-weights", "none.pth", *WORDS[2:], "--subnet", SUBNET)
    assert refuse(1, "model.unreadable", *words) == golden


@pytest.mark.parametrize(
    "key",
    [
        "blocks.5.conv.inverted_bottleneck.conv.conv.weight",
        "blocks.2.conv.depth_conv.conv.7to5_matrix",
        "classifier.linear.bias",
    ],
)
def test_missing_weight(golden, supernet, key):
    state = supernet.published_state()
    del state[key]
    save(state)
    assert refuse(1, "model.missing-weight", *WORDS, "--subnet", SUBNET) == golden


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("units = 10", "units = 12", id="classes"),
        pytest.param("channels = 16", "channels = 24", id="channels"),
        pytest.param("[3, 4, 6]", "[3, 4, 6, 8]", id="expansion"),
        pytest.param("[3, 5, 7]", "[3, 5, 7, 9]", id="kernel"),
    ],
)
def test_supernet_of_another_space(golden, supernet, tmp_path, old, new):
    (tmp_path / "space.toml").write_text(MOBILENET_V3.replace(old, new))
    subnet = SUBNET.replace("/16-e4k5", "/24-e4k5") if "24" in new else SUBNET
    subnet = subnet.replace("e4k5-e3k3/", "e8k5-e3k3/") if "8" in new else subnet
    subnet = subnet.replace("e4k5-e3k3/", "e4k9-e3k3/") if "9" in new else subnet
    assert refuse(1, "model.weight-shape", *WORDS, "--subnet", subnet) == golden


def test_weights_that_are_not_finite(golden, supernet):
    state = supernet.published_state()
    state["classifier.linear.bias"][3] = torch.nan
    save(state)
    assert refuse(1, "model.not-finite", *WORDS, "--subnet", SUBNET) == golden


@pytest.mark.parametrize(
    ("code", "subnet"),
    [
        pytest.param("subnet-text", "resnet18", id="text"),
        pytest.param("no-such-subnet", SUBNET.replace("e4k5", "e5k5"), id="expansion"),
        pytest.param("no-such-subnet", "32px-w1.2/16-e4k5-e3k3/24-e6k3s-e3k7s", id="width"),
        pytest.param("no-such-subnet", "32px/16-e4k5-e3k3", id="stages"),
    ],
)
def test_subnet_outside_the_space(golden, supernet, code, subnet):
    assert refuse(1, f"search.{code}", *WORDS, "--subnet", subnet) == golden


def test_configuration_of_another_space(golden, supernet, tmp_path):
    space = catalog.load(str(tmp_path / "space.toml"))
    config = net_config(space, decode(SUBNET))
    (tmp_path / "net.config").write_text(config or "")
    words = ("import-weights", "supernet.pth", "--space", "ofa-mbv3", "-o", "model.onnx")
    assert refuse(1, "search.no-such-subnet", *words, "--subnet", "net.config") == golden
    succeed(*WORDS, "--subnet", "net.config")


def test_space_without_supernet(golden, supernet):
    words = ("import-weights", "supernet.pth", "--space", "fox-nas", "-o", "model.onnx")
    assert refuse(1, "search.no-supernet", *words, "--subnet", SUBNET) == golden


@pytest.mark.parametrize("place", ["none/model.onnx", "."])
def test_place_that_cannot_be_written_is_refused_before_the_work(golden, supernet, place):
    words = ("import-weights", "none.pth", "--subnet", "nothing", "-o", place)
    assert refuse(2, "usage.output", *words) == golden


def test_missing_torch(golden, supernet, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else find(name)
    )
    assert refuse(3, "backend.missing", *WORDS, "--subnet", SUBNET) == golden


def test_help(golden, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    outcome = fpc("import-weights", "--help")
    assert outcome.status == 0
    assert outcome.out == golden
