"""An artifact runs from C++ as it does from Python, and both compute what the interpreter does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.measure.tvm.model import TvmModel
from tests.backends.tvm.artifacts import draw_inputs, forked, interpreted, write_artifact
from tests.cli.digits import MODEL, QUICK, labels, pixels
from tests.cli.invoke import succeed

EXAMPLE = Path(__file__).parents[3] / "examples" / "deploy" / "top5.py"
GRAPH = forked()


@dataclass(frozen=True)
class Deployed:
    """An artifact with its program built, and inputs beside it in files."""

    folder: Path

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "run", *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env={},
        )


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    for tool in ("g++", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, and the C++ program is built with it")
    folder = tmp_path_factory.mktemp("deployment") / "forked"
    write_artifact(folder, GRAPH, isa_of_this_machine())
    subprocess.run(["make", "-C", folder, f"PYTHON={sys.executable}"], check=True)
    for value, array in zip(GRAPH.inputs, draw_inputs(GRAPH), strict=True):
        array.tofile(folder / f"{value.name}.bin")
    return Deployed(folder)


def inputs_of(deployed: Deployed) -> list[Path]:
    return [deployed.folder / f"{value.name}.bin" for value in GRAPH.inputs]


def test_every_bit_is_the_interpreters(deployed: Deployed, tmp_path: Path) -> None:
    files = [tmp_path / "total.bin", tmp_path / "logits.bin"]
    done = deployed.run(deployed.folder, *inputs_of(deployed), *files)
    assert done.returncode == 0, done.stderr
    from_python = TvmModel(deployed.folder)(draw_inputs(GRAPH))
    wanted = interpreted(GRAPH, draw_inputs(GRAPH))
    for want, python, file in zip(wanted, from_python, files, strict=True):
        np.testing.assert_array_equal(np.fromfile(file, want.dtype).reshape(want.shape), want)
        np.testing.assert_array_equal(python, want)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "usage: run ARTIFACT INPUT... [OUTPUT...]"),
        (("{folder}", "{folder}/left.bin"), "an input is missing"),
        (("{folder}", "{folder}/left.bin", "/nowhere"), "/nowhere is missing or too short"),
        (("{folder}", "{folder}/left.bin", "/dev/null"), "/dev/null is missing or too short"),
        (("/nowhere", "{folder}/left.bin"), "/nowhere/model.so"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(deployed: Deployed, words, said: str) -> None:
    done = deployed.run(*(word.format(folder=deployed.folder) for word in words))
    assert done.returncode == 1
    assert said in done.stderr


def test_no_artifact_needs_python_or_the_compiler_of_tvm(deployed: Deployed) -> None:
    """What the program is linked with: C++'s own libraries and the two of TVM's runtime."""
    loaded = subprocess.run(
        ["ldd", deployed.folder / "run"], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[0] for line in loaded.splitlines()}
    assert {name for name in names if "tvm" in name} == {"libtvm_runtime.so", "libtvm_ffi.so"}
    assert not any("python" in name for name in names)


def test_the_example_sees_the_same_digit_from_python_and_from_cpp(
    deployed: Deployed, tmp_path: Path
) -> None:
    artifact, image = tmp_path / "digits", tmp_path / "seven.png"
    words = ("--target", "host", "--backend", "tvm", "-o", artifact)
    succeed("compile", MODEL, *QUICK, *words, "--image-input", "--output-type", "float32")
    # The program is the same for every artifact, and takes longest to build.
    shutil.copy(deployed.folder / "run", artifact)
    number = int(np.flatnonzero(labels() == 7)[0])
    Image.fromarray(pixels()[number, :, :, 0]).save(image)
    example = [sys.executable, EXAMPLE, artifact, image]
    printed = subprocess.run(example, capture_output=True, text=True, check=True).stdout
    python, _, cpp = printed.removeprefix("from Python\n").partition("from C++\n")
    assert python == cpp
    assert python.split()[0] == "7"
    assert len(python.splitlines()) == 5
