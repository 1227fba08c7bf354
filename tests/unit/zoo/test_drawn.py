"""Drawn networks: the same every time, of a sensible size, every kernel in many of them."""

from __future__ import annotations

import itertools

import pytest

from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.xnnpack_features import AMX
from fpc.passes.manifest import MANIFEST
from fpc.passes.presets import PRESETS
from fpc.rewrite.pipeline import Pipeline
from fpc.rewrite.spec import parse_pipeline
from fpc.targets import catalog
from fpc.targets.description import multiply_adds
from fpc.zoo.drawn import KINDS, drawn

COUNT = 16


@pytest.fixture(scope="module")
def networks():
    return tuple(drawn(COUNT))


def test_the_same_seed_gives_the_same_networks(networks):
    again = tuple(itertools.islice(drawn(48), 3))
    assert [graph.to_text() for graph in again] == [graph.to_text() for graph in networks[:3]]
    assert next(drawn(1, seed=1)).to_text() != networks[0].to_text()


def test_every_kind_leads_a_like_share(networks):
    kinds = [graph.name.rpartition("_")[0] for graph in networks]
    assert {kind: kinds.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, COUNT // len(KINDS))
    assert len({graph.name for graph in networks}) == COUNT


def test_none_is_too_small_or_too_large(networks):
    work = [sum(map(multiply_adds, graph)) for graph in networks]
    assert min(work) >= 30e6
    assert max(work) <= 900e6
    assert max(work) > 5 * min(work)


def test_every_feature_of_a_cnn_is_in_several_networks(networks):
    target = catalog.load("host")
    texts = (PRESETS[target.pipelines.optimise], target.pipelines.legalise)
    rows = []
    for graph in networks:
        optimised = graph.clone()
        for text in texts:
            Pipeline(parse_pipeline(text, MANIFEST)).run(optimised)
        rows.append(AMX.of_network(kernel.work for kernel in kernels_of(optimised)))
    having = {name: sum(row[index] > 0 for row in rows) for index, name in enumerate(AMX.names)}
    assert having.pop("exponentials") == 0
    assert min(having.values()) >= 3, having
