"""Which version of the kernels this is, by their sources."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from fpc.backends.tvm.requirements import PINNED

_FOLDER = Path(__file__).parent
_OF_KERNELS = ("isa/", "kernels/", "library.py")


@cache
def sources_digest() -> str:
    """A digest of this back end: it changes with all that decides about a library."""
    return _digest("")


@cache
def kernels_digest() -> str:
    """A digest of the kernels alone: it changes with the code of one in a certain tile."""
    return _digest(*_OF_KERNELS)


def kernel_versions() -> dict[str, str]:
    """What decides about the machine code of a kernel: TVM's releases and the kernels' sources."""
    return {**PINNED, "kernels": kernels_digest()[:16]}


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for file in sorted(_FOLDER.rglob("*.py")):
        name = file.relative_to(_FOLDER).as_posix()
        if name.startswith(parts):
            digest.update(name.encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
