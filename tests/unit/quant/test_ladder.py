"""The ladder climbs, keeps the best and says why."""

from dataclasses import replace

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.op import Activation
from fpc.ir.verifier import verify
from fpc.quant import ladder, workbench
from fpc.quant.ladder import climb
from fpc.quant.quality.guard import compare
from fpc.quant.recipes import Refinement, parse_recipe
from fpc.quant.scheme import TFLITE_INT8
from tests.unit.quant.networks import RUNNERS, Builder, leaky_network, samples_of


def climbed(graph, samples=None, **options):
    samples = samples_of(graph, 20) if samples is None else samples
    return climb(graph, samples, TFLITE_INT8, RUNNERS, **options)


def test_auto_is_never_worse_than_any_rung(monkeypatch):
    monkeypatch.setattr(ladder, "_SETTLED_DB", 100.0)
    graph = leaky_network()
    outcome = climbed(graph)
    verify(outcome.graph)
    tried = {rung.recipe: rung.quality.sqnr_db for rung in outcome.rungs}
    assert list(tried) == [
        "min-max",
        "min-max+round",
        "min-max+equalise+round",
        "percentile=99.99+equalise+round",
        "mse+equalise+round",
    ]
    assert outcome.quality.sqnr_db == max(tried.values())
    assert tried[outcome.recipe] == max(tried.values())
    assert tried["min-max+equalise+round"] > tried["min-max"] + 3.0
    assert outcome.float_graph is not graph
    assert outcome.quality.layers


def test_what_auto_returns_is_what_it_measured():
    graph = leaky_network()
    held_out = samples_of(graph, 10, seed=77)
    outcome = climbed(graph, holdout=held_out)
    again = compare(graph, outcome.graph, held_out, RUNNERS)
    assert again.sqnr_db == pytest.approx(outcome.quality.sqnr_db)
    assert again.agreement == outcome.quality.agreement


def test_a_settled_network_is_left_in_peace(monkeypatch):
    monkeypatch.setattr(ladder, "_SETTLED_DB", 1.0)
    monkeypatch.setattr(ladder, "_CHEAP_PRODUCTS", 0)
    bounded = Builder().conv(8, activation=Activation.RELU6).conv(4).done()
    for graph, count in ((bounded, 3), (leaky_network(), 2)):
        outcome = climbed(graph)
        skipped = [rung for rung in outcome.rungs if rung.quality is None]
        assert len(skipped) == count
        assert all("not needed at" in rung.note for rung in skipped)


def test_mse_ranges_are_tried_where_they_cost_nothing(monkeypatch):
    monkeypatch.setattr(ladder, "_SETTLED_DB", 1.0)
    outcome = climbed(Builder().conv(8, activation=Activation.RELU6).conv(4).done())
    tried = [rung.recipe for rung in outcome.rungs if rung.quality is not None]
    assert tried[-1].startswith("mse")


def test_equalisation_that_changes_nothing_is_not_tried(monkeypatch):
    monkeypatch.setattr(ladder, "_SETTLED_DB", 100.0)
    graph = Builder().conv(8, activation=Activation.RELU6).conv(4).done()
    notes = {rung.recipe: rung for rung in climbed(graph).rungs}
    (name,) = [recipe for recipe in notes if "equalise" in recipe]
    assert notes[name].quality is None
    assert "no activation here gains" in notes[name].note


@pytest.mark.parametrize(
    "recipe", ["min-max", "percentile=99.9", "mse+bias-correct", "entropy+round", "analytic-bias"]
)
def test_a_recipe_asked_for_is_the_one_carried_out(recipe):
    graph = leaky_network()
    outcome = climbed(graph, samples_of(graph, 8), recipe=recipe)
    (rung,) = outcome.rungs
    assert outcome.recipe == rung.recipe == str(parse_recipe(recipe))
    assert outcome.quality.sqnr_db > 5.0


def test_bias_correction_and_rounding_help_a_network_limited_by_its_weights():
    rng = np.random.default_rng(0)
    build = Builder().conv(16, activation=Activation.RELU)
    for _ in range(3):
        build.depthwise(activation=Activation.RELU).conv(16, kernel=1, activation=Activation.RELU)
    graph = build.classifier().done()
    for node in list(graph):
        if isinstance(node.op, ops.Conv2d):
            data = node.input(1).data.copy()
            data.reshape(len(data), -1)[:, 0] *= rng.uniform(4, 12, len(data))
            graph.set_input(node, 1, graph.constant(data.astype(np.float32)))
    plain, corrected, rounded = (
        climbed(graph, samples_of(graph, 40), recipe=recipe).quality.sqnr_db
        for recipe in ("min-max", "bias-correct", "round")
    )
    assert corrected > plain
    assert rounded > corrected


def test_the_same_samples_give_the_same_bits():
    graph = leaky_network()
    first, second = (climbed(graph, recipe="round").graph.to_text() for _ in range(2))
    assert first == second


def test_nodes_kept_float_stay_float_through_equalisation():
    graph = leaky_network()
    kept = next(node for node in graph if isinstance(node.op, ops.Dense))
    outcome = climbed(graph, recipe="equalise", keep_float=frozenset([kept]))
    (dense,) = outcome.graph.nodes_of(ops.Dense)
    assert not dense.output.type.is_quantised
    assert outcome.float_graph is not graph


def test_equalisation_that_was_asked_for_in_vain_is_told():
    graph = Builder().conv(8, activation=Activation.RELU6).conv(4).done()
    (warning,) = climbed(graph, recipe="equalise").warnings
    assert "equalisation changed nothing" in warning


def test_rounding_that_does_not_help_gives_way_to_biases_alone(monkeypatch):
    build = workbench.Workbench.build

    def spoilt(bench, recipe):
        built = build(bench, recipe)
        if recipe.refinement is not Refinement.ROUNDING:
            return built
        return replace(built, quality=replace(built.quality, sqnr_db=-10.0))

    monkeypatch.setattr(workbench.Workbench, "build", spoilt)
    outcome = climbed(leaky_network())
    assert "bias-correct" in outcome.recipe
    assert outcome.rungs[2].recipe == "min-max+bias-correct"


def test_progress_counts_samples_and_layers():
    calls = []
    graph = leaky_network()
    climbed(graph, recipe="round", progress=lambda *step: calls.append(step))
    assert ("calibrate", 16, 16) in calls
    assert ("refine (min-max+round)", 4, 4) in calls
