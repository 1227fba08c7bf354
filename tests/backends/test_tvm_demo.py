"""The example: the five likeliest classes of an image, the same from Python and from C++."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.digits import MODEL, QUICK, labels, pixels
from tests.cli.invoke import succeed

EXAMPLE = Path(__file__).parents[2] / "examples" / "deploy" / "top5.py"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("g++", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, and the C++ program is built with it")
    folder = tmp_path_factory.mktemp("demo") / "digits"
    words = ("--target", "host", "--backend", "tvm", "--image-input", "-o", folder)
    succeed("compile", MODEL, *QUICK, *words)
    subprocess.run(["make", "-C", folder, f"PYTHON={sys.executable}"], check=True)
    return folder


def test_python_and_cpp_see_the_same_digit(artifact: Path, tmp_path: Path) -> None:
    number = int(np.flatnonzero(labels() == 7)[0])
    image = tmp_path / "seven.png"
    Image.fromarray(pixels()[number, :, :, 0]).save(image)
    words = [sys.executable, EXAMPLE, artifact, image]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    python, _, cpp = printed.removeprefix("from Python\n").partition("from C++\n")
    assert python == cpp
    assert python.split()[:2] == ["logits", "7"]
    assert len(python.splitlines()) == 6
