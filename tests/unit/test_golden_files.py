"""The golden fixture itself, in a suite of its own run by a child process."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]

SUITE = """
import pytest

def test_poem(golden):
    assert "roses are {colour}\\n" == golden

@pytest.mark.parametrize("n", [1, 2])
def test_number(golden, n):
    assert str(n) == golden("number-%d.txt" % n)

@pytest.mark.skipif({skipped}, reason="no data")
def test_sometimes(golden):
    assert "there" == golden("sometimes.txt")
"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    for name in ("conftest.py", "golden_file.py"):
        shutil.copy(HERE / name, tmp_path / "tests" / name)
    return tmp_path


def write(suite, colour="red", skipped=False):
    text = SUITE.format(colour=colour, skipped=skipped)
    (suite / "tests" / "unit" / "test_verses.py").write_text(text)


def run(suite, *arguments):
    plugins = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:pytest_cov"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, *arguments]
    ran = subprocess.run(command, cwd=suite, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout


def test_life_of_a_golden_file(suite):
    write(suite)
    status, output = run(suite, "tests")
    assert status == 1
    assert "no golden file tests/golden/unit/verses/poem.txt" in output
    assert "--update-golden" in output

    assert run(suite, "tests", "--update-golden")[0] == 0
    folder = suite / "tests" / "golden" / "unit" / "verses"
    assert (folder / "poem.txt").read_text() == "roses are red\n"
    assert sorted(p.name for p in folder.iterdir()) == [
        "number-1.txt",
        "number-2.txt",
        "poem.txt",
        "sometimes.txt",
    ]
    assert run(suite, "tests")[0] == 0

    write(suite, colour="blue")
    status, output = run(suite, "tests")
    assert status == 1
    assert "-roses are red" in output
    assert "+roses are blue" in output


def test_unused_files_fail_a_whole_run(suite):
    write(suite)
    assert run(suite, "tests", "--update-golden")[0] == 0
    stale = suite / "tests" / "golden" / "unit" / "stale.txt"
    stale.write_text("nobody asks for me")

    for workers in ((), ("-n", "2")):
        status, output = run(suite, "tests", *workers)
        assert status == 1
        assert "tests/golden/unit/stale.txt" in output
    assert run(suite, "tests/unit")[0] == 0
    assert run(suite, "tests", "-k", "poem")[0] == 0


def test_a_skipped_test_excuses_its_folder(suite):
    write(suite)
    assert run(suite, "tests", "--update-golden")[0] == 0
    write(suite, skipped=True)
    assert run(suite, "tests")[0] == 0
