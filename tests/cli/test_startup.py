"""`import fpc` and `fpc --help` load next to nothing: a program that starts slowly is not tried."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

HEAVY = frozenset(
    {
        "PIL",
        "ai_edge_litert",
        "flatbuffers",
        "networkx",
        "numpy",
        "onnx",
        "onnxruntime",
        "onnxsim",
        "pydantic",
        "rich",
        "scipy",
        "tflite",
        "tvm",
    }
)
OF_FPC = "sorted(name for name in sys.modules if name.split('.')[0] == 'fpc')"
ALL = "sorted({name.split('.')[0] for name in sys.modules})"


def modules_after(statement: str, which: str = ALL) -> set[str]:
    """The modules a fresh interpreter has loaded after `statement`."""
    program = f"import sys\n{statement}\nsys.stdout = sys.__stdout__\nprint('\\n', *{which})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_import_fpc_loads_itself_alone():
    assert modules_after("import fpc", OF_FPC) == {"fpc"}
    assert not modules_after("import fpc") & HEAVY


def test_public_names_load_when_they_are_used():
    assert "fpc.api" in modules_after("import fpc; fpc.load", OF_FPC)


def test_the_program_loads_no_heavy_library():
    assert not modules_after("import fpc.cli.main") & HEAVY
    loaded = modules_after("import fpc.cli.main", OF_FPC)
    assert {name.split(".")[1] for name in loaded if "." in name} == {"cli", "diagnostics"}


@pytest.mark.parametrize("words", [["--help"], ["compile", "--help"], ["--version"]])
def test_help_needs_only_what_typer_needs(words):
    """Typer prints with Rich and reads arguments with Pydantic."""
    call = f"from fpc.cli.main import run; import io; sys.stdout = io.StringIO(); run({words!r})"
    assert modules_after(call) & HEAVY <= {"rich", "pydantic"}
    assert not {"fpc.api", "fpc.driver"} & modules_after(call, OF_FPC)


def test_help_takes_little_time():
    """Processor time, not wall time: other programs of the machine do not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "fpc", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
