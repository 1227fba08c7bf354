"""Artifacts that several tests look at, compiled once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.digits import MODEL
from tests.cli.invoke import succeed

Compile = Callable[..., Path]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """`compiled(*options)`: the artifact of the digits network, made when first asked for."""
    made: dict[tuple[str, ...], Path] = {}

    def compile_digits(*options: object) -> Path:
        words = tuple(map(str, options))
        if words not in made:
            made[words] = tmp_path_factory.mktemp("artifact") / "out"
            succeed("compile", MODEL, *words, "-o", made[words])
        return made[words]

    return compile_digits
