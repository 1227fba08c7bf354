"""TOML written here is what Python's own reader reads."""

from __future__ import annotations

import tomllib

import pytest

from fpc.targets import catalog
from fpc.targets.toml_text import print_toml


@pytest.mark.parametrize("name", catalog.names())
def test_a_target_survives_writing(name):
    document = tomllib.loads(catalog.source(name))
    assert tomllib.loads(print_toml(document)) == document


def test_strings_keys_and_nested_tables_survive():
    document = {
        "text": 'a "quoted" \\ backslash,\nnew line, \x7f, \x01, é',
        "flags": [True, False],
        "numbers": [1, -2.5, 1e300],
        "empty": [],
        "a key": {"inner-key": {"x": 1}, "list": [{"y": 2, "z": {"w": 3}}, {"y": 4}]},
    }
    assert tomllib.loads(print_toml(document)) == document


def test_what_toml_cannot_say_is_refused():
    with pytest.raises(TypeError, match="NoneType"):
        print_toml({"nothing": None})
