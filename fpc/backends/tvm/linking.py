"""Object files become shared libraries: the linker for an instruction set's machine."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from types import MappingProxyType

from fpc.backends.tvm.isa.description import Isa
from fpc.diagnostics.errors import MissingBackendError

_NATIVE = ("c++", "g++", "cc", "gcc", "clang")

# Kernels call nothing that a linker would have to find: no C library of the machine is needed.
_CROSS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "aarch64": ("aarch64-linux-gnu-g++", "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ld"),
        "x86_64": ("x86_64-linux-gnu-g++", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-ld"),
    }
)
_ANY_MACHINE = ("ld.lld",)


def linker(isa: Isa) -> str:
    """The program that links for `isa`; all of them take `-shared -s -o LIBRARY OBJECT...`.

    `MissingBackendError` (`backend.missing-linker`) where none is installed.
    """
    machine = isa.machine or platform.machine()
    known = _NATIVE if isa.is_native else (*_CROSS.get(machine, ()), *_ANY_MACHINE)
    found = next((name for name in known if shutil.which(name) is not None), None)
    if found is None:
        package = "g++" if isa.is_native else f"g++-{machine.replace('_', '-')}-linux-gnu"
        raise MissingBackendError(
            "missing-linker",
            f"the back end tvm needs a linker for {machine}, and none is installed",
            notes=[f"looked for {', '.join(known)}"],
            help=f"install one (Debian: apt-get install {package})",
        )
    return found
