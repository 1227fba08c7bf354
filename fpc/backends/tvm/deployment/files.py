"""The files of this folder that go into artifacts."""

from __future__ import annotations

from importlib.resources import files

PROGRAM, MAKEFILE = "run.cc", "Makefile"


def deployment_files() -> dict[str, bytes]:
    """The C++ program and its Makefile, by name."""
    folder = files("fpc.backends.tvm.deployment")
    return {name: (folder / name).read_bytes() for name in (PROGRAM, MAKEFILE)}
