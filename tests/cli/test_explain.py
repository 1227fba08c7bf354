"""`fpc explain`: the IR after any pass, what declined, who is guilty, which layer is bad."""

from __future__ import annotations

import re

import numpy as np
import pytest

from fpc.ir import ops
from fpc.passes.dce import DeadCodeElimination
from fpc.rewrite.rewriter import Rewriter
from tests.cli.digits import MODEL, QUICK
from tests.cli.invoke import fpc, refuse, succeed
from tests.cli.networks import silu, two_inputs

LAYERS = ("explain", MODEL, "--layers", *QUICK[1:3], *QUICK[3:7], "--recipe", "min-max")


def without_times(table: str) -> str:
    """The table without its last column."""
    return re.sub(r" +(\d+\.\d|ms)$", "", table, flags=re.MULTILINE)


@pytest.fixture
def network(tmp_path):
    return silu(tmp_path / "net.onnx")


def test_table_of_passes(network, golden):
    passes = "fold-batch-norm,recover-activations,dce"
    assert without_times(succeed("explain", network, "--passes", passes).out) == golden


def test_passes_as_json_are_those_of_the_table():
    rows = succeed("explain", MODEL, "--json").document
    table = succeed("explain", MODEL).out.splitlines()[1:]
    assert [row["pass"] for row in rows] == [line.split()[0] for line in table]
    folding = next(row for row in rows if row["pass"] == "fold-batch-norm")
    assert folding["modified"]
    assert folding["edits"] > 0


def test_ir_after_import(network, golden):
    assert succeed("explain", network, "--after", "import").out == golden


def test_ir_after_all_passes(network, golden):
    assert succeed("explain", network, "--after", "all").out == golden


def test_ir_shows_batch_norms_until_they_are_folded():
    def count(after: str) -> int:
        return succeed("explain", MODEL, "--after", after).out.count(" = batch_norm(")

    assert count("import") == 17
    assert count("recover-activations") == 17
    assert count("fold-batch-norm") == 0


def test_passes_that_run_twice_are_told_apart():
    first, second, last = (
        succeed("explain", MODEL, "--after", name).out
        for name in ("canonicalise#1", "canonicalise#2", "canonicalise")
    )
    assert "batch_norm(" in first
    assert "batch_norm(" not in second
    assert second == last


@pytest.mark.parametrize("number", ["0", "9", "x", ""])
def test_number_of_a_pass_that_does_not_run_so_often(number):
    message = refuse(2, "usage.unknown-pass", "explain", MODEL, "--after", f"dce#{number}")
    assert "runs dce" in message


def test_unknown_pass_is_suggested():
    message = refuse(2, "usage.unknown-pass", "explain", MODEL, "--after", "fold-batchnorm")
    assert "fold-batch-norm" in message


def test_ir_as_json(network):
    document = succeed("explain", network, "--after", "all", "--json").document
    assert document == {"ir": succeed("explain", network, "--after", "all").out}


def test_own_pipeline(network):
    out = succeed("explain", network, "--passes", "dce,cse", "--after", "all").out
    assert "sigmoid(" in out
    assert [
        line.split()[0]
        for line in succeed("explain", network, "--passes", "dce,cse").out.splitlines()[1:]
    ] == ["dce", "cse"]


def test_own_pipeline_with_a_mistake_is_underlined(network):
    message = refuse(1, "parse.pipeline", "explain", network, "--passes", "dce,bogus")
    assert "\n 1 │ dce,bogus\n   │     ^^^^^\n" in message


def test_declined_rewrites_say_where_and_why(tmp_path):
    out = succeed("explain", two_inputs(tmp_path / "net.onnx"), "--declined").out
    assert out == "no rewrite was declined\n"


def test_sound_passes_are_not_guilty():
    outcome = succeed("explain", MODEL, "--bisect")
    assert "no pass changed what the network computes" in outcome.out
    assert "GUILTY" not in outcome.out
    rows = succeed("explain", MODEL, "--bisect", "--json").document
    assert all(row["problem"] is None for row in rows)


def test_bisection_names_the_guilty_pass(monkeypatch, network):
    honest = DeadCodeElimination.apply

    def vandal(self, rewriter: Rewriter):
        for node in rewriter.graph:
            if isinstance(node.op, ops.Conv2d):
                weights = node.input(1)
                wrong = rewriter.constant(np.asarray(weights.data) * 1.5)
                rewriter.set_input(node, 1, wrong)
        return honest(self, rewriter)

    monkeypatch.setattr(DeadCodeElimination, "apply", vandal)
    outcome = fpc("explain", network, "--bisect")
    assert outcome.status == 1
    guilty = [line for line in outcome.out.splitlines() if line.startswith("GUILTY")]
    assert [line.split()[-1] for line in guilty][:1] == ["dce"]
    assert "output `z` changed by" in outcome.out
    document = fpc("explain", network, "--bisect", "--json").document
    assert [row["text"] for row in document if row["problem"]][:1] == ["dce"]


def test_layers_get_their_error():
    rows = succeed(*LAYERS, "--json").document
    assert len(rows) > 30
    assert all(float(row["sqnr_db"]) > 10.0 for row in rows)
    lines = succeed(*LAYERS).out.splitlines()
    assert lines[0].split() == ["layer", "op", "SQNR", "dB", "own", "SQNR", "dB", "cosine"]
    assert [line[: len(row["name"])] for line, row in zip(lines[1:], rows, strict=True)] == [
        row["name"] for row in rows
    ]


def test_views_exclude_each_other():
    message = refuse(2, "usage.modes", "explain", MODEL, "--bisect", "--layers")
    assert "--bisect and --layers" in message


def test_mistakes_name_the_model(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    assert "net.onnx" in refuse(1, "model.empty", "explain", tmp_path / "net.onnx")
