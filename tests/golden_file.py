"""Golden files: texts that tests compare whole.

A test takes the fixture `golden` and says `assert text == golden`. The text is kept in
`tests/golden/<path of the test's module>/<name of the test>.txt`; `golden("relu.fpc")` names
another file of that folder, for tests with several. A missing file fails the test, and
`--update-golden` writes it. A file no test asked for fails a run of the whole suite.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS / "golden"
UPDATE_OPTION = "--update-golden"


@dataclass
class Ledger:
    """Which golden files one session used, and which folders a skipped test kept from use."""

    used: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)

    def unused(self) -> list[str]:
        """The files that nobody used though their tests ran, by path from the golden folder."""
        files = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        return sorted(
            str(path)
            for path in files
            if str(path) not in self.used and str(path.parent) not in self.excused
        )


def folder_of(module: Path) -> str:
    """The folder of a test module's golden files, from the golden folder."""
    relative = module.relative_to(TESTS)
    return str(relative.with_name(relative.stem.removeprefix("test_")))


class Golden:
    """Compares equal to the text of its file."""

    __hash__ = None

    def __init__(self, path: str, ledger: Ledger, *, update: bool) -> None:
        self._path = path
        self._ledger = ledger
        self._update = update

    def __call__(self, name: str) -> Golden:
        """The golden file `name` beside this one."""
        path = str(Path(self._path).with_name(name))
        return Golden(path, self._ledger, update=self._update)

    def __eq__(self, text: object) -> bool:
        if not isinstance(text, str):
            return NotImplemented
        file = ROOT / self._path
        self._ledger.used.add(self._path)
        if self._update:
            if not file.exists() or file.read_text() != text:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            return True
        if not file.exists():
            pytest.fail(
                f"no golden file tests/golden/{self._path}; run pytest {UPDATE_OPTION} and review "
                f"what it writes. The text is:\n{text}",
                pytrace=False,
            )
        return file.read_text() == text

    def difference(self, text: str) -> list[str]:
        """How `text` differs from the file, as lines of a unified diff."""
        expected = (ROOT / self._path).read_text()
        name = f"tests/golden/{self._path}"
        lines = difflib.unified_diff(
            expected.splitlines(), text.splitlines(), name, "this run", lineterm=""
        )
        return [*lines, f"run pytest {UPDATE_OPTION} if the new text is right"]

    def __repr__(self) -> str:
        return f"golden({self._path})"


def default_path(item: pytest.Item) -> str:
    """The golden file of a test: its module's folder and its name."""
    name = re.sub(r"[^\w.-]+", "-", item.name.removeprefix("test_")).strip("-")
    return f"{folder_of(item.path)}/{name}.txt"


def whole_suite_ran(config: pytest.Config) -> bool:
    """Whether nothing on the command line narrowed the tests down."""
    option = config.option
    narrowed = option.keyword or option.markexpr or option.deselect or option.ignore
    rerun = getattr(option, "lf", False) or getattr(option, "failedfirst", False)
    everything = {str(TESTS), str(TESTS.parent)}
    asked = {str(Path(config.invocation_params.dir, path).resolve()) for path in config.args}
    return not narrowed and not rerun and asked <= everything
