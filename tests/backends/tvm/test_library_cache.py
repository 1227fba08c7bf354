"""What was compiled before is not compiled again, and nothing else is taken for it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fpc.backends.tvm import library_cache
from fpc.backends.tvm.emitter import emit
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.library_cache import LibraryCache
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.program import Program
from fpc.ir import ops
from fpc.ir.graph import Graph
from tests.numeric.integer_cases import Draw, one_op

EMPTY = Program("plain", (), (), (), (), ())


@dataclass
class Compiler:
    """Counts what it is asked to do."""

    answer: bytes = b"a library"
    asked: list[Program] = field(default_factory=list)

    def __call__(self, program: Program) -> bytes:
        self.asked.append(program)
        return self.answer


def dense(seed: int) -> Graph:
    draw = Draw(seed)
    x = Draw(0).type((1, 20))
    w, b, _ = draw.weights((10, 20), x)
    return one_op(ops.Dense(), [x, w, b], Draw(0).quant(0.1))


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.library"))


def test_a_network_of_the_same_shapes_starts_no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("FPC_CACHE", str(tmp_path))
    first = emit(dense(1), PLAIN)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a child was started"))
    second = emit(dense(2), PLAIN)
    assert first["model.so"] == second["model.so"]
    assert first["weights.bin"] != second["weights.bin"]


def test_whatever_decides_about_a_library_is_in_its_key(tmp_path, monkeypatch):
    compiler, store = Compiler(), LibraryCache(tmp_path)
    program = plan(dense(1), PLAIN).program
    others = [program, EMPTY, replace(EMPTY, isa="x86-avx512-vnni")]
    for each in (*others, *others):
        assert store.library(each, compiler) == compiler.answer
    assert compiler.asked == others
    monkeypatch.setattr(library_cache, "PINNED", {"apache-tvm": "0.28"})
    store.library(EMPTY, compiler)
    monkeypatch.setattr(library_cache, "sources_digest", lambda: "other kernels")
    store.library(EMPTY, compiler)
    monkeypatch.setattr(library_cache.platform, "machine", lambda: "riscv64")
    store.library(EMPTY, compiler)
    assert len(compiler.asked) == 6


@pytest.mark.parametrize("damage", [b"", b"short", b"\x7fELF" * 30])
def test_a_damaged_file_is_compiled_anew(tmp_path, damage):
    compiler, store = Compiler(), LibraryCache(tmp_path)
    store.library(EMPTY, compiler)
    [file] = kept(tmp_path)
    file.write_bytes(damage)
    assert store.library(EMPTY, compiler) == compiler.answer
    assert store.library(EMPTY, compiler) == compiler.answer
    assert len(compiler.asked) == 2


def test_a_file_cut_short_is_compiled_anew(tmp_path):
    compiler, store = Compiler(), LibraryCache(tmp_path)
    store.library(EMPTY, compiler)
    [file] = kept(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    assert store.library(EMPTY, compiler) == compiler.answer
    assert len(compiler.asked) == 2


def test_what_was_used_least_recently_makes_room(tmp_path):
    compiler, store = Compiler(b"x" * 968), LibraryCache(tmp_path, largest_bytes=2500)
    a, b, c = (replace(EMPTY, isa=name) for name in "abc")
    for program in (a, b, a, c, a, c, b):
        store.library(program, compiler)
    assert compiler.asked == [a, b, c, b]
    assert sum(file.stat().st_size for file in kept(tmp_path)) <= 2500
    assert list(tmp_path.iterdir()) == list(tmp_path.glob("*.library"))


def test_nothing_is_kept_when_it_is_off(tmp_path, monkeypatch):
    monkeypatch.setenv("FPC_CACHE", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler = Compiler()
    for _ in range(2):
        LibraryCache.of_user().library(EMPTY, compiler)
    assert len(compiler.asked) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").write_text("in the way")
    compiler = Compiler()
    for _ in range(2):
        assert LibraryCache(tmp_path / "file" / "x").library(EMPTY, compiler) == compiler.answer
    assert len(compiler.asked) == 2


def test_the_folder_of_the_user(monkeypatch):
    monkeypatch.delenv("FPC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert LibraryCache.of_user().folder == Path("/somewhere/fpc")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert LibraryCache.of_user().folder == Path("/home/me/.cache/fpc")
    monkeypatch.setenv("FPC_CACHE", "/elsewhere")
    assert LibraryCache.of_user().folder == Path("/elsewhere")
