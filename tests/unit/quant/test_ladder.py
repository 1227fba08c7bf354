"""The ladder climbs, keeps the best and says why; recipes parse; samples are split."""

from dataclasses import replace

import numpy as np
import pytest

from fpc.diagnostics.errors import QuantError, UsageError
from fpc.ir import ops
from fpc.ir.op import Activation
from fpc.ir.verifier import verify
from fpc.quant import ladder, workbench
from fpc.quant.calibration.distribution import Distribution, Histogram
from fpc.quant.calibration.holdout import split_samples
from fpc.quant.calibration.observers import Entropy, MeanSquaredError, MinMax, Percentile
from fpc.quant.calibration.output_ranges import HEADROOM, PinnedDistribution, Unpinned, pin_outputs
from fpc.quant.calibration.statistics import collect
from fpc.quant.ladder import climb
from fpc.quant.quality.guard import compare
from fpc.quant.recipes import Recipe, Refinement, parse_recipe
from fpc.quant.scheme import TFLITE_INT8
from tests.unit.quant.networks import RUNNERS, Builder, leaky_network, numpy_runner, samples_of


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


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        ("min-max", Recipe(MinMax())),
        ("percentile", Recipe(Percentile(99.99))),
        ("percentile=99.9", Recipe(Percentile(99.9))),
        ("entropy", Recipe(Entropy())),
        ("round", Recipe(MinMax(), refinement=Refinement.ROUNDING)),
        ("bias-correct+round", Recipe(MinMax(), refinement=Refinement.ROUNDING)),
        (
            "round+mse+equalise",
            Recipe(MeanSquaredError(), equalise=True, refinement=Refinement.ROUNDING),
        ),
    ],
)
def test_recipes_parse_and_print(text, recipe):
    assert parse_recipe(text) == recipe
    assert parse_recipe(str(recipe)) == recipe


def test_auto_names_no_single_recipe():
    assert parse_recipe("auto") is None


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("min-mx", "`min-mx` is no part of a recipe", "did you mean `min-max`?"),
        ("mse+equalize", "`equalize` is no part", "did you mean `equalise`?"),
        ("", "`` is no part", "known parts"),
        ("mse=3", "`mse=3` is no part", "mse"),
        ("mse+entropy", "two rules for ranges", "leave one of them out"),
        ("round+round", "a part twice", "leave one of them out"),
        ("percentile=abc", "no percentage", "percentile=99.99"),
        ("percentile=10", "no percentage", "percentile=99.99"),
    ],
)
def test_bad_recipes_say_what_is_wrong(text, message, help):
    with pytest.raises(UsageError) as caught:
        parse_recipe(text)
    assert message in caught.value.message
    assert help in caught.value.help


def numbered(count):
    return [(np.full((1, 2), float(i), np.float32),) for i in range(count)]


def numbers(samples):
    return [int(sample[0].flat[0]) for sample in samples]


def test_every_fifth_sample_is_kept_out_of_calibration():
    split = split_samples(numbered(100), None, 30)
    assert len(split.holdout) == 20
    assert len(split.calibration) == len(list(split.calibration)) == 80
    assert not set(numbers(split.calibration)) & set(numbers(split.holdout))
    calibration = numbers(split.calibration)
    assert [calibration[p] for p in sorted(split.walked_positions)] == numbers(split.walked)
    assert len(split.walked) == 30
    assert split.warnings == ()


def test_holdout_has_a_limit_and_may_be_given():
    assert len(split_samples(numbered(400), None, 8).holdout) == 32
    split = split_samples(numbered(40), numbered(3), 8)
    assert len(split.calibration) == 40
    assert numbers(split.holdout) == [0, 1, 2]
    assert [numbers(split.calibration)[p] for p in sorted(split.walked_positions)] == numbers(
        split.walked
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_few_samples_are_shared_out_with_a_warning(count):
    split = split_samples(numbered(count), None, 30)
    assert len(split.holdout) == 1
    assert len(split.walked) == max(1, count - 1)
    (warning,) = split.warnings
    assert f"only {count} calibration sample" in warning


def test_no_samples_at_all():
    with pytest.raises(QuantError) as caught:
        split_samples([], None, 8)
    assert caught.value.code == "quant.no-samples"


def test_scores_get_headroom_and_images_do_not():
    scores = leaky_network()
    image = Builder().conv(3).done()
    for graph, factor in ((scores, 1.0 + HEADROOM), (image, 1.0)):
        seen = collect(graph, samples_of(graph, 4), numpy_runner)
        pinned = pin_outputs(graph, seen)
        (output,) = graph.outputs
        assert pinned[output].high == pytest.approx(seen[output].high * factor)
        assert pinned[output].low == pytest.approx(seen[output].low * factor)
        others = [value for value in seen if value is not output]
        assert all(pinned[value] is seen[value] for value in others)


def test_outputs_behind_moves_are_pinned_where_they_are_made():
    build = Builder().conv(3)
    made = build.value
    graph = build.then(ops.Reshape((1, 432))).done()
    pinned = pin_outputs(graph, collect(graph, samples_of(graph, 2), numpy_runner))
    assert isinstance(pinned[made], PinnedDistribution)


def test_pinned_ranges_are_not_clipped():
    data = np.random.default_rng(0).normal(size=10_000)
    histogram = Histogram.of(data)
    free = Distribution(float(data.min()), float(data.max()), lambda: histogram)
    pinned = PinnedDistribution(free.low, free.high, free.source)
    observer = Unpinned(Percentile(99.0))
    assert observer.name == "percentile 99"
    assert observer.range(pinned, TFLITE_INT8) == (free.low, free.high)
    assert observer.range(free, TFLITE_INT8)[1] < free.high
    assert observer.range(pinned.limited(0.0, 1.0), TFLITE_INT8) == (0.0, 1.0)
