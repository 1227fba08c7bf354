"""Which program links libraries, and what users read where there is none."""

from __future__ import annotations

import shutil

import pytest

from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.linking import linker
from fpc.diagnostics.errors import MissingBackendError


def only(monkeypatch: pytest.MonkeyPatch, *names: str, machine: str = "x86_64") -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in names else None)


@pytest.mark.parametrize("name", ["aarch64-linux-gnu-g++", "aarch64-linux-gnu-ld", "ld.lld"])
def test_any_cross_linker_will_do(monkeypatch, name):
    only(monkeypatch, "g++", name)
    assert linker(NEON_MLAL) == name
    assert linker(PLAIN) == "g++"


def test_on_an_arm_machine_nothing_is_crossed(monkeypatch):
    only(monkeypatch, "g++", machine="aarch64")
    assert linker(NEON_MLAL) == "g++"


def test_without_a_linker_its_package_is_named(monkeypatch):
    only(monkeypatch, "g++")
    with pytest.raises(MissingBackendError, match="linker for aarch64") as caught:
        linker(NEON_MLAL)
    assert caught.value.code == "backend.missing-linker"
    assert "g++-aarch64-linux-gnu" in (caught.value.help or "")
    only(monkeypatch)
    with pytest.raises(MissingBackendError, match="linker for x86_64") as caught:
        linker(PLAIN)
    assert "apt-get install g++)" in (caught.value.help or "")
