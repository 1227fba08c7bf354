"""onnxsim runs in a child process, and whatever happens to that is only a remark."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from fpc.frontends.onnx.simplify import SimplificationFailed, simplified
from tests.backends.onnx.models import model_of


def model():
    nodes = [
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("Exp", ["two"], ["e"]),
        helper.make_node("Mul", ["x", "e"], ["y"], name="scale"),
    ]
    return model_of(nodes, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])], ["y"])


def impostor(folder: Path, script: str) -> str:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_constants_are_folded_and_names_kept() -> None:
    computing = [node for node in simplified(model()).graph.node if node.op_type != "Constant"]

    assert [(node.op_type, node.name) for node in computing] == [("Mul", "scale")]


def test_time_limit() -> None:
    with pytest.raises(SimplificationFailed, match="more than 0 s"):
        simplified(model(), time_limit_s=0.01)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -SEGV $$", "it crashed with signal 11"),
        ("echo out of luck >&2; exit 3", "out of luck"),
        ("exit 0", "it wrote no model"),
        ('printf garbage > "$4"', "its result cannot be read"),
    ],
)
def test_failures(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", impostor(tmp_path, script))

    with pytest.raises(SimplificationFailed, match=reason):
        simplified(model())
