"""Accuracy regressions on made-up truths: what is additive is found, and intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fpc.costmodel.library import select, shipped
from fpc.diagnostics.errors import SearchError
from fpc.search import catalog
from fpc.search.accuracy.features import attributes
from fpc.search.accuracy.fit import fit_accuracy
from fpc.search.accuracy.model import AccuracyModel, Provenance, read_accuracy
from fpc.search.accuracy.resolution import ResolutionEffect, shipped_effect
from fpc.search.costs.space import Costs
from fpc.search.exact import ExactSearch
from fpc.search.explain import explain
from fpc.search.space.choices import choices_of
from fpc.search.space.description import Setting, Space, Subnet

ORIGIN = Provenance(
    source="made up",
    evidence="measured",
    rows=0,
    what="top-1",
    date="2026-01-01",
    rmse_points=0.0,
    mape_percent=0.0,
    spearman=0.0,
)
SPACE = catalog.load("fox-nas")
CHOICES = choices_of(SPACE)
CEILING = 80.0


def truth(subnet: Subnet) -> float:
    """Saturating in depth, expansion and kernel, with an interaction, and in resolution."""
    index = 0.6 * math.log2(subnet.setting.resolution / 256)
    for number, stage in enumerate(subnet.stages):
        depth = math.log(len(stage.blocks))
        expansion = np.mean([math.log(block.expansion) for block in stage.blocks[1:]])
        kernel = math.log(stage.blocks[0].kernel)
        index += (0.1 + 0.05 * number) * (depth + 0.5 * expansion + 0.3 * kernel * depth)
    return CEILING - math.exp(3.5 - index)


def drawn(space: Space, count: int, seed: int) -> list[Subnet]:
    random = np.random.default_rng(seed)
    return [
        Subnet(
            space.settings[random.integers(len(space.settings))],
            tuple(stage[int(random.integers(len(stage)))] for stage in CHOICES),
        )
        for _ in range(count)
    ]


def predicted(model: AccuracyModel, networks: list[Subnet]):
    scores = model.scores(CHOICES)
    found = []
    for subnet in networks:
        shared = model.setting_scores(subnet.setting)
        index, leverage = shared.index, shared.leverage
        for stage, score, choice in zip(CHOICES, scores, subnet.stages, strict=True):
            index = index + score.index[stage.index(choice)]
            leverage = leverage + score.leverage[stage.index(choice)]
        found.append([end[0] for end in model.band(index, leverage, subnet.setting, EFFECT)])
    return np.array(found).T


EFFECT = shipped_effect()


def fitted(count: int, noise: float, space: Space = SPACE) -> AccuracyModel:
    random = np.random.default_rng(1)
    rows = [(s, truth(s) + noise * random.normal()) for s in drawn(space, count, 0)]
    return fit_accuracy(space, CHOICES, rows, ORIGIN)


def test_additive_truth_is_found_at_every_resolution():
    model = fitted(250, 0.0)
    unseen = drawn(SPACE, 200, 9)
    top1, low, high = predicted(model, unseen)
    exact = np.array([truth(subnet) for subnet in unseen])
    assert np.sqrt(((top1 - exact) ** 2).mean()) < 0.1
    assert model.resolutions == SPACE.resolutions
    assert ((low <= exact) & (exact <= high)).mean() > 0.85


def test_intervals_hold_nine_of_ten_measurements():
    model = fitted(250, 0.3)
    unseen = drawn(SPACE, 400, 9)
    _, low, high = predicted(model, unseen)
    random = np.random.default_rng(2)
    measured = np.array([truth(subnet) + 0.3 * random.normal() for subnet in unseen])
    assert 0.84 <= ((low <= measured) & (measured <= high)).mean() <= 0.97
    assert model.provenance.rmse_points == pytest.approx(0.3, rel=0.3)


def test_the_best_lower_end_is_found_among_all():
    """The search's aim, point by point, against the band of every drawn network."""
    model = fitted(100, 0.3)
    pricing = select(shipped("rpi4-arm"), "rpi4-arm", precision="int8").kernel_ms
    front = ExactSearch.of(SPACE, Costs.of(SPACE, CHOICES, pricing), model, EFFECT).front()
    unseen = drawn(SPACE, 200, 3)
    _, low, _ = predicted(model, unseen)
    assert front.band.low[-1] >= low.max()
    chosen = front[len(front) // 2]
    band = predicted(model, [chosen.subnet])[:, 0]
    assert (chosen.top1, *(chosen.top1_interval or ())) == pytest.approx(tuple(band))


def test_borrowed_effect_of_resolution():
    one = SPACE.model_copy(update={"resolutions": (256,)})
    model = fitted(100, 0.1, one)
    effect = ResolutionEffect(
        slope=0.2, curvature=0.1, half_width=0.05, least=96, most=224, source="others"
    )
    index, leverage = model.setting_scores(Setting(256)).index, np.zeros(1)
    at_256, at_128 = (
        model.band(index, leverage, Setting(resolution), effect) for resolution in (256, 128)
    )
    t_256, t_128 = math.log2(224 / 256), math.log2(224 / 128)
    ratio = 0.2 * (t_128 - t_256) + 0.1 * (t_128**2 - t_256**2)
    assert 100 - at_128.top1 == pytest.approx((100 - at_256.top1) * math.exp(ratio))
    assert 100 - at_128.low == pytest.approx((100 - at_256.low) * math.exp(ratio + 0.05))
    assert 100 - at_128.high == pytest.approx((100 - at_256.high) * math.exp(ratio - 0.05))
    caveats = list(model.caveats(float(at_128.top1[0]), 0.0, Setting(128), effect))
    assert any("no network was measured at 128 px" in text for text in caveats)


def test_widths_that_nobody_measured_are_left_out():
    space = SPACE.model_copy(update={"widths": (1.0, 1.2)})
    model = fitted(100, 0.1)
    assert [model.covers(setting) for setting in space.settings[:2]] == [True, False]


def test_explained_effects_are_differences_of_the_tables():
    model = fitted(250, 0.0)
    pricing = select(shipped("rpi4-arm"), "rpi4-arm", precision="int8").kernel_ms
    search = ExactSearch.of(SPACE, Costs.of(SPACE, CHOICES, pricing), model, EFFECT)
    subnet = drawn(SPACE, 1, 4)[0]
    found = {(effect.where, effect.choice): effect for effect in explain(search, subnet)}
    (latency,) = search.costs.at(subnet.setting).stages[4].values()
    deep, shallow = (latency[CHOICES[4].depths == depth].mean() for depth in (4, 2))
    assert found["stage 5 (160)", "depth 2 to 4"].latency_ms == pytest.approx(deep - shallow)
    # In this truth later stages matter more, and each depth more than the one before.
    points = [found[f"stage {n + 1} ({c})", "depth 2 to 4"].points for n, c in CHANNELS]
    assert points == sorted(points)
    whole = found["network", "resolution 128 to 256"]
    expected = [truth(subnet._replace(setting=Setting(r))) for r in (256, 128)]
    assert whole.points == pytest.approx(expected[0] - expected[1], abs=0.3)


CHANNELS = tuple(enumerate((24, 40, 80, 112, 160)))


def test_attributes_of_a_stage():
    stage = CHOICES[0]
    values = attributes(stage)
    place = stage.index(stage[4321])
    blocks = stage[4321].blocks
    assert values["depth"][place] == pytest.approx(math.log(len(blocks)))
    assert values["first expansion"][place] == pytest.approx(math.log(blocks[0].expansion))
    further = np.mean([math.log(block.kernel) for block in blocks[1:]])
    assert values["further kernel"][place] == pytest.approx(further)


def test_file_of_a_regression(tmp_path):
    model = fitted(50, 0.1)
    path = tmp_path / "model.json"
    path.write_text(model.to_json())
    assert read_accuracy(path) == model
    path.write_text('{"format": 2}')
    with pytest.raises(SearchError, match="is not an accuracy regression"):
        read_accuracy(path)


def test_regression_of_another_space_is_refused():
    pricing = select(shipped("fpga"), "fpga", precision="int8").kernel_ms
    mnasnet = catalog.load("mnasnet")
    model = catalog.shipped_accuracy(SPACE)
    with pytest.raises(SearchError, match="is of the space `fox-nas`, not `mnasnet`"):
        ExactSearch.of(mnasnet, Costs.of(mnasnet, choices_of(mnasnet), pricing), model, EFFECT)
