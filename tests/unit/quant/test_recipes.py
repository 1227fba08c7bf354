"""Recipes parse and print; what is none says why."""

import pytest

from fpc.diagnostics.errors import UsageError
from fpc.quant.calibration.observers import Entropy, MeanSquaredError, MinMax, Percentile
from fpc.quant.recipes import Recipe, Refinement, parse_recipe


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
