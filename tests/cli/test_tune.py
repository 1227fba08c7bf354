"""`fpc tune`: what it prints, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.tuning.tile_table import Circumstances, TileTable, TunedKernel
from fpc.driver.measure import models
from fpc.driver.tune import tiles
from fpc.driver.tune.tiles import Tuned, TunedNetwork
from tests.backends.tvm.cases import pointwise_case
from tests.cli.digits import MODEL, QUICK
from tests.cli.invoke import fpc, refuse, succeed


@pytest.fixture
def tuned(monkeypatch) -> None:
    """What an earlier run on some machine found."""
    networks = (
        TunedNetwork("mobilenet", 30, 28, 4000.0, 3000.0),
        TunedNetwork("unknown", 12, 0, 0.0, 0.0),
    )
    refused = ("ConvolutionTile(4, 1) of a convolution kernel: 7 elements of its result are wrong",)
    found = Tuned("x86-avx512-vnni", "a Xeon (x86_64)", "measured", "us", networks, 28, 14, refused)
    monkeypatch.setattr(tiles, "tune", lambda *_: found)


def test_table(tuned, golden):
    outcome = succeed("tune", "a.onnx", "b.onnx", "-o", "mine.json")
    assert outcome.out + outcome.err == golden


def test_document(tuned):
    found = succeed("tune", "a.onnx", "-o", "mine.json", "--json").document
    assert found["file"] == "mine.json"
    assert found["isa"] == "x86-avx512-vnni"
    assert found["networks"][0] == {
        "name": "mobilenet",
        "kernels": 30,
        "known": 28,
        "untuned_cost": 4000.0,
        "tuned_cost": 3000.0,
    }
    assert (found["evidence"], found["unit"]) == ("measured", "us")
    assert (found["compared"], found["left"], len(found["refused"])) == (28, 14, 1)


def test_help(golden, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    assert succeed("tune", "--help").out == golden


def test_a_target_with_other_instructions_is_refused(tmp_path, golden):
    output = tmp_path / "tiles.json"
    told = refuse(2, "usage.tune-target", "tune", MODEL, "--target", "sd855-cpu", "-o", output)
    assert told == golden
    refuse(1, "backend.tvm-target", "tune", MODEL, "--target", "fpga", "-o", output)
    assert not output.exists()


def test_tables_that_do_not_fit_are_refused_before_the_work(tmp_path, golden):
    file = tmp_path / "tiles.json"
    file.write_text(TileTable("another").to_json())
    told = refuse(2, "usage.tiles", "tune", MODEL, "-o", file)
    isa = isa_of_this_machine().name
    assert told.replace(str(file), "FILE").replace(isa, "ISA") == golden
    tvm = ("compile", MODEL, *QUICK, "--target", "host", "-o", tmp_path / "out")
    refuse(2, "usage.tiles", *tvm, "--backend", "tvm", "--tiles", file)
    refuse(2, "usage.tiles", *tvm, "--backend", "tvm", "--tiles", tmp_path / "absent.json")
    assert "--backend tvm" in refuse(2, "usage.tiles", *tvm, "--tiles", file)
    file.write_text("{")
    told = refuse(1, "backend.tiles", *tvm, "--backend", "tvm", "--tiles", file)
    assert told.replace(str(file), "FILE").replace(str(MODEL), "MODEL") == golden("broken.txt")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["compile", "measure"])
def test_a_table_of_no_use_is_refused_by_who_takes_it(tmp_path, golden, command):
    file = tmp_path / "tiles.json"
    file.write_text(TileTable(isa_of_this_machine().name).to_json())
    tvm = (command, MODEL, "--target", "host", "--backend", "tvm", "--tiles", file)
    tvm += QUICK if command == "compile" else ()
    told = refuse(2, "usage.tiles", *tvm)
    assert told.replace(str(file), "FILE").replace(str(MODEL), "MODEL") == golden


def test_tiles_found_with_other_kernels_are_said_to_be(tmp_path, golden, monkeypatch):
    monkeypatch.setattr(models, "measure_models", lambda *_, **__: iter(()))
    file = tmp_path / "tiles.json"
    file.write_text(odd_table(isa_of_this_machine()).to_json())
    tvm = ("--target", "host", "--backend", "tvm", "--tiles", file)
    for words in (
        ("compile", MODEL, *QUICK, *tvm, "-o", tmp_path / "out"),
        ("measure", MODEL, *tvm),
    ):
        lines = succeed(*words).err.splitlines(keepends=True)
        told = "".join(line for line in lines if str(file) in line)
        assert told.replace(str(file), "FILE") == golden
    notes = succeed("measure", MODEL, *tvm, "--json").document["notes"]
    assert told == "".join(f"note: {note}\n" for note in notes)


def odd_table(isa: Isa) -> TileTable:
    """One kernel, in a tile that it cannot have."""
    kernel = pointwise_case(isa).kernel
    kernel = replace(kernel, tile=replace(kernel.tile, positions=5))
    then = Circumstances(
        machine="a machine", date="2026-01-02", evidence="measured", unit="us", versions={}
    )
    entry = TunedKernel(kernel=kernel, cost=1.0, untuned_cost=2.0)
    return TileTable(isa.name).with_entry(entry, then)


def test_a_model_that_is_not_there_is_named(tmp_path):
    outcome = fpc("tune", tmp_path / "absent.onnx", "-o", tmp_path / "tiles.json")
    assert outcome.status != 0
    assert "absent.onnx" in outcome.err
