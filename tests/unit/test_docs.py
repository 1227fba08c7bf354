"""The generated pages of the manual say what the code says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "docs" / "build.py"


@pytest.fixture
def build():
    spec = importlib.util.spec_from_file_location("docs_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_current(build, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["build.py", "--check"])
    assert build.main() == 0, capsys.readouterr().out


def test_stale_pages_are_named(build, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["build.py"])
    assert build.main() == 0
    page = tmp_path / "cli.md"
    page.write_text(page.read_text().replace("compile", "translate"))
    monkeypatch.setattr(sys, "argv", ["build.py", "--check"])
    assert build.main() == 1
    assert "cli.md" in capsys.readouterr().out


def test_every_command_option_and_pass_is_described(build):
    cli = build.cli_page()
    for command in ("compile", "check", "explain", "compare", "targets", "golden record"):
        assert f"## `fpc {command}`" in cli
    for option in ("--int8", "--calib", "--image-input", "--allow-degraded", "--swap-activation"):
        assert f"`{option}`" in cli
    rows = [line for line in cli.splitlines() if line.startswith("| `")]
    assert all(row.split("|")[2].strip() for row in rows)
    assert "## `fold-batch-norm`" in build.passes_page()
    assert "## `fpc.quantize`" in build.api_page()
