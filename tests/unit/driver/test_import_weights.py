"""Subnets cut out of a supernet compute what the supernet computes while they are active."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from fpc.diagnostics.errors import ModelError, QuantError, SearchError
from fpc.driver.import_weights import ImportOptions, import_weights
from fpc.frontends.once_for_all import read_checkpoint
from fpc.interp.executor import run
from fpc.ir.graph import Graph
from fpc.ir.ops import BatchNorm
from fpc.quant.calibration.batch_norm import recalibrated
from fpc.search import catalog
from fpc.search.once_for_all.net_config import net_config, run_config
from fpc.search.once_for_all.supernet import read_subnet, supernet_blocks
from fpc.search.space.choices import choices_of
from fpc.search.space.encoding import decode, encode
from fpc.search.space.network import build

torch = pytest.importorskip("torch")

from tests.supernet import (  # noqa: E402 - it needs torch
    Choice,
    small_supernet,
    subnet_text,
)

LARGEST = [[Choice(6, 7)] * 4] * 2
SMALLEST = [[Choice(3, 3)] * 2] * 2
MIXED = [
    [Choice(4, 5), Choice(3, 7), Choice(6, 3)],
    [Choice(6, 3), Choice(3, 5), Choice(4, 7), Choice(4, 3)],
]
ACTIVE = {"largest": LARGEST, "smallest": SMALLEST, "mixed": MIXED}


def drawn_images(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 3, 32, 32)).astype(np.float32)


def active_of(name: str, *, is_proxyless: bool):
    """The last stage of ProxylessNAS has one block."""
    first, second = ACTIVE[name]
    return [first, second[:1] if is_proxyless else second]


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("first_release", [True, False])
@pytest.mark.parametrize("is_proxyless", [True, False])
@pytest.mark.parametrize("name", ACTIVE)
@torch.no_grad()
def test_outputs_are_the_supernets(tmp_path, name, is_proxyless, first_release):
    supernet, checkpoint, space = small_supernet(
        tmp_path, is_proxyless=is_proxyless, first_release=first_release
    )
    active = active_of(name, is_proxyless=is_proxyless)
    text = subnet_text(active, supernet.stages)
    imported = import_weights(ImportOptions(checkpoint, text, str(space)))
    images = drawn_images(3)
    expected = supernet(torch.tensor(images), active).numpy()
    assert_close(run(imported.graph, [images])[0], expected)
    assert imported.subnet == text
    assert "the statistics of batch norms are the supernet's" in imported.notes[0]


@pytest.mark.parametrize("is_proxyless", [True, False])
@pytest.mark.parametrize("name", ACTIVE)
@torch.no_grad()
def test_statistics_are_those_of_the_images(tmp_path, name, is_proxyless):
    """Seven images, three at a time: the last batch, of one, counts a third."""
    supernet, checkpoint, space = small_supernet(tmp_path, is_proxyless=is_proxyless)
    active = active_of(name, is_proxyless=is_proxyless)
    images = drawn_images(7)
    np.save(tmp_path / "images.npy", images)
    options = ImportOptions(
        checkpoint,
        subnet_text(active, supernet.stages),
        str(space),
        calibration=tmp_path / "images.npy",
        batch=3,
    )
    imported = import_weights(options)
    before = supernet(torch.tensor(images), active).numpy()
    supernet.set_statistics(torch.tensor(images).split(3), active)
    expected = supernet(torch.tensor(images), active).numpy()
    assert np.abs(expected - before).max() > 0.1 * np.abs(expected).max()
    assert_close(run(imported.graph, [images])[0], expected)
    assert imported.images == 7
    assert imported.notes == ()


def test_recalibration_leaves_the_given_graph_alone():
    space = catalog.load("ofa-proxyless")
    stages = tuple(stage[0] for stage in choices_of(space))
    subnet = decode("128px-w1.3/24-e3k3-e3k3")._replace(stages=stages)
    graph = build(space, subnet, seed=0)
    text = graph.to_text()
    images = np.random.default_rng(0).normal(size=(2, 3, 128, 128)).astype(np.float32)
    found = recalibrated(graph, [images])
    assert graph.to_text() == text
    (first, *_), (same, *_) = found.nodes_of(BatchNorm), graph.nodes_of(BatchNorm)
    convolved = run_until(graph, same.input(0), images)
    np.testing.assert_allclose(first.input(3).data, convolved.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(first.input(4).data, convolved.var((0, 2, 3)), rtol=1e-5)
    with pytest.raises(QuantError, match="no image"):
        recalibrated(graph, [])
    with pytest.raises(QuantError, match="not finite"):
        recalibrated(graph, [np.full_like(images, np.nan)])


def run_until(graph, value, images):
    cut = graph.clone_with_values()
    cut[0].set_outputs([cut[1][value]])
    return run(cut[0], [images])[0]


@pytest.mark.parametrize("name", ["ofa-mbv3", "ofa-proxyless"])
def test_net_config_is_the_subnet_again(tmp_path, name):
    space = catalog.load(name)
    for place in (0, 77, 1500):
        stages = tuple(stage[place % len(stage)] for stage in choices_of(space))
        subnet = decode("160px/24-e3k3-e3k3")._replace(stages=stages)
        subnet = subnet._replace(setting=subnet.setting._replace(width=space.widths[-1]))
        (tmp_path / "a.net.config").write_text(net_config(space, subnet) or "")
        (tmp_path / "a.run.config").write_text(run_config(subnet))
        assert read_subnet(str(tmp_path / "a.net.config"), space) == subnet
        renamed = (net_config(space, subnet) or "").replace("mobile_inverted_conv", "conv")
        (tmp_path / "b.net.config").write_text(renamed)
        later = read_subnet(str(tmp_path / "b.net.config"), space)
        assert later.stages == subnet.stages
        assert later.setting.resolution == 224


def test_published_configurations_are_subnets(shared_data):
    space = catalog.load("ofa-mbv3")
    folder = shared_data / "data" / "latency" / "ofa" / "specialized"
    read = 0
    for path in sorted(folder.glob("*.net.config")):
        document = json.loads(path.read_text())
        if document["name"] != "MobileNetV3":
            continue
        subnet = read_subnet(str(path), space)
        blocks = [block["mobile_inverted_conv"] for block in document["blocks"][1:]]
        kernels = [block.kernel for stage in subnet.stages for block in stage.blocks]
        expansions = [block.expansion for stage in subnet.stages for block in stage.blocks]
        assert kernels == [block["kernel_size"] for block in blocks]
        assert expansions == [block["expand_ratio"] for block in blocks]
        read += 1
    assert read >= 10


def test_blocks_of_the_supernet():
    """Of stages of up to four blocks after the first one, the first so many are used."""
    space = catalog.load("ofa-mbv3")
    subnet = decode(
        "224px/24-e3k3-e3k3/40-e3k3s-e3k3s-e3k3s/80-e3k3-e3k3-e3k3-e3k3"
        "/112-e3k3s-e3k3s/160-e3k3s-e3k3s"
    )
    used = (0, 1, 2, 5, 6, 7, 9, 10, 11, 12, 13, 14, 17, 18)
    assert supernet_blocks(space, subnet) == used
    assert encode(read_subnet(encode(subnet), space)) == encode(subnet)


@pytest.mark.parametrize("name", ["fox-nas", "mnasnet", "fasternet"])
def test_spaces_without_supernets_are_refused(name):
    with pytest.raises(SearchError, match="no supernet of the space"):
        read_subnet("224px/24-e3k3", catalog.load(name))


def test_broken_checkpoints_are_refused(tmp_path):
    """Cut off or changed anywhere: tensors, or an error that says so."""
    whole = small_supernet(tmp_path)[1].read_bytes()
    chance = random.Random(0)
    codes = []
    for _ in range(60):
        content = bytearray(whole)
        if chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        for _ in range(chance.randrange(1, 20)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        (tmp_path / "broken.pth").write_bytes(content)
        try:
            assert read_checkpoint(tmp_path / "broken.pth")
        except ModelError as error:
            codes.append(error.code)
    assert set(codes) <= {"model.not-a-checkpoint", "model.unreadable"}
    assert 20 < len(codes) < 60


def test_graph_that_mixes_images_is_not_recalibrated():
    graph = Graph.parse(
        """graph @mixing(%x: f32[2,3,4,4]) {
          %y = transpose(%x) {permutation=[1, 0, 2, 3]} : f32[3,2,4,4]
          return %y
        }"""
    )
    with pytest.raises(QuantError, match="one by one"):
        recalibrated(graph, [np.zeros((2, 3, 4, 4), np.float32)])
