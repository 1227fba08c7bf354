"""The fixture `fpc_golden` for users' own test suites.

In `conftest.py`: `pytest_plugins = ["fpc.golden.pytest_plugin"]`. Then a test says

    def test_network(fpc_golden):
        fpc_golden(graph, samples=4)

The record lies in `fpc_golden/<module>/<test>.json` beside the test; `pytest --fpc-update-golden`
writes it, a missing or different one fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fpc.golden.check import check
from fpc.golden.record import GoldenRecord, record
from fpc.interp.numerics import Numerics
from fpc.interp.runner import Runner
from fpc.ir.graph import Graph

UPDATE_OPTION = "--fpc-update-golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites records."""
    parser.addoption(
        UPDATE_OPTION, action="store_true", help="write the golden records of fpc networks"
    )


class FpcGolden:
    """Checks networks against the golden records of one test."""

    def __init__(self, path: Path, *, update: bool) -> None:
        self._path = path
        self._update = update

    def __call__(
        self,
        graph: Graph,
        name: str | None = None,
        *,
        seed: int = 0,
        samples: int = 1,
        numerics: Numerics = Numerics.TFLITE_REFERENCE,
        stages: Mapping[str, Graph] | None = None,
        runner: Runner | None = None,
    ) -> None:
        """Fail the test unless `graph` computes what was recorded.

        `name` tells several networks of one test apart; the other arguments are those of
        `fpc.golden.record.record` and count when the record is written.
        """
        path = self._path if name is None else self._path.with_suffix(f".{name}.json")
        if self._update:
            made = record(
                graph, seed=seed, samples=samples, numerics=numerics, stages=stages, runner=runner
            )
            made.save(path)
            return
        if not path.exists():
            pytest.fail(f"no golden record {path}; write it with {UPDATE_OPTION}", pytrace=False)
        report = check(GoldenRecord.load(path), graph, stages=stages, runner=runner)
        if not report.is_unchanged:
            pytest.fail(
                f"@{graph.name} is not what {path} says:\n{report}\n"
                f"If the change is intended, write the record again with {UPDATE_OPTION}.",
                pytrace=False,
            )


@pytest.fixture
def fpc_golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Checks a graph against its golden record (see `FpcGolden`)."""
    test = request.node.name.removeprefix("test_")
    name = re.sub(r"[^\w.-]+", "-", test).strip("-")
    path = request.path.parent / "fpc_golden" / request.path.stem / f"{name}.json"
    return FpcGolden(path, update=bool(request.config.getoption(UPDATE_OPTION)))
