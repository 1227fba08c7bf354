"""What every test may use: golden files, and the shared data where it is present."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden_file import (
    UPDATE_OPTION,
    Golden,
    Ledger,
    default_path,
    folder_of,
    whole_suite_ran,
)

LEDGER = pytest.StashKey[Ledger]()
UNUSED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(UPDATE_OPTION, action="store_true", help="write the golden files")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEDGER] = Ledger()
    # What one test compiled must not spare another the work that it is there to check.
    os.environ["FPC_CACHE"] = "off"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """The golden file of this test (see `tests.golden_file`)."""
    update = request.config.getoption(UPDATE_OPTION)
    return Golden(default_path(request.node), request.config.stash[LEDGER], update=update)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of trained networks and recorded data; skips where it is absent."""
    default = Path(__file__).parents[1].parent / "shared"
    folder = Path(os.environ.get("FPC_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set FPC_DATA")
    return folder


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    text, file = (left, right) if isinstance(right, Golden) else (right, left)
    if op == "==" and isinstance(file, Golden) and isinstance(text, str):
        return [f"text == {file!r}", *file.difference(text)]
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    report = yield
    if report.skipped and "golden" in getattr(item, "fixturenames", ()):
        item.config.stash[LEDGER].excused.add(folder_of(item.path))
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Collect what an xdist worker used."""
    config: pytest.Config = node.config
    output = getattr(node, "workeroutput", {})
    config.stash[LEDGER].used.update(output.get("golden_used", ()))
    config.stash[LEDGER].excused.update(output.get("golden_excused", ()))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    ledger = config.stash[LEDGER]
    if hasattr(config, "workeroutput"):
        config.workeroutput["golden_used"] = sorted(ledger.used)
        config.workeroutput["golden_excused"] = sorted(ledger.excused)
        return
    if exitstatus == pytest.ExitCode.OK and whole_suite_ran(config):
        config.stash[UNUSED] = ledger.unused()
        if config.stash[UNUSED]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    unused = terminalreporter.config.stash.get(UNUSED, [])
    if unused:
        terminalreporter.section("golden files that no test uses", red=True)
        for path in unused:
            terminalreporter.line(f"tests/golden/{path}")
