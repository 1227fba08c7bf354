"""The fixture for users' suites, in a suite of its own run by a child process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TEST = """
from fpc.ir.parser import parse_graph

TEXT = "graph @net(%x: i8[1,4] q(1.0, 0)) {{ %y = {op}(%x) : i8[1,4] q(1.0, 0) return %y }}"

def test_network(fpc_golden):
    fpc_golden(parse_graph(TEXT), samples=2)
    fpc_golden(parse_graph(TEXT), "again", seed=1)
"""


def run(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout


def test_life_of_a_record(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["fpc.golden.pytest_plugin"]\n')
    (tmp_path / "test_net.py").write_text(TEST.format(op="relu"))
    status, output = run(tmp_path)
    assert status == 1
    assert "--fpc-update-golden" in output

    assert run(tmp_path, "--fpc-update-golden")[0] == 0
    records = sorted(path.name for path in (tmp_path / "fpc_golden" / "test_net").iterdir())
    assert records == ["network.again.json", "network.json"]
    assert run(tmp_path)[0] == 0

    (tmp_path / "test_net.py").write_text(TEST.format(op="relu6"))
    status, output = run(tmp_path)
    assert status == 1
    assert "first changed layer: %y = relu6: its digest was" in output
