"""Locations, the rendering of errors, and suggestions."""

from __future__ import annotations

import pytest

from fpc.diagnostics import errors
from fpc.diagnostics.errors import Excerpt, FpcError, ModelError, ParseError, UnsupportedOpError
from fpc.diagnostics.location import UNKNOWN, Location
from fpc.diagnostics.render import render, suggest


def test_locations_keep_each_name_once_and_in_order():
    conv, norm = Location.of("conv", "", "conv"), Location.of("bn", "conv")
    assert conv.names == ("conv",)
    assert conv.merge(norm, UNKNOWN).names == ("conv", "bn")
    assert str(conv.merge(norm)) == "conv + bn"
    assert str(UNKNOWN) == "<generated>"
    assert not UNKNOWN
    assert conv


def test_codes_carry_the_family():
    error = UnsupportedOpError("unsupported-op", "no LSTM here", location=Location.of("lstm_1"))
    assert error.code == "model.unsupported-op"
    assert str(error) == "[model.unsupported-op] no LSTM here (at lstm_1)"
    assert isinstance(error, ModelError)


FAMILIES = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, FpcError)]


@pytest.mark.parametrize("error_class", FAMILIES, ids=lambda error_class: error_class.__name__)
def test_exit_statuses(error_class):
    special = {"UsageError": 2, "MissingBackendError": 3}
    assert error_class.exit_status == special.get(error_class.__name__, 1)
    assert error_class.__doc__


def test_a_full_diagnostic(golden):
    error = ParseError(
        "type",
        "the type does not fit",
        model="models/net.onnx",
        location=Location.of(*(f"block{i}/conv" for i in range(6))),
        excerpt=Excerpt("net.fpc", 104, "  %y = relu(%x) : f32[2]", column=18, length=6),
        notes=["the operand is f32[3]", "two lines\nof facts"],
        help="state the operand's type\nor leave it out",
    )
    assert render(error) + "\n" == golden


def test_a_bare_diagnostic():
    assert render(FpcError("oops", "it broke")) == "error[fpc.oops]: it broke"
    place = FpcError("oops", "it broke", location=Location.of("a", "b"))
    assert render(place) == "error[fpc.oops]: it broke\n   at 'a', 'b'"


def test_suggestions():
    known = ["conv2d", "dense", "relu"]
    assert suggest("conv2", known, what="operators") == "did you mean `conv2d`?"
    assert suggest("xyz", known, what="operators") == "known operators: conv2d, dense, relu"
    many = [f"layer{i:03}" for i in range(60)]
    assert suggest("xyz", many, what="layers").endswith("layer049 and 10 more")
