"""Compiled libraries kept between runs: what was compiled before is not compiled again.

A library is kept under a digest of all that decides about it: the program, the releases of TVM
(with which LLVM comes), and the sources of this back end. The variable `FPC_CACHE` names the
folder, by itself `fpc` in `$XDG_CACHE_HOME` or `~/.cache` (XDG Base Directory Specification 0.8);
`FPC_CACHE=off` keeps nothing.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fpc.backends.tvm.program import Program
from fpc.backends.tvm.requirements import PINNED
from fpc.backends.tvm.sources import sources_digest

VARIABLE, OFF = "FPC_CACHE", "off"
LARGEST_BYTES = 256 << 20

_DIGEST_BYTES = hashlib.sha256().digest_size
_SUFFIX = ".library"


@dataclass(frozen=True)
class LibraryCache:
    """Libraries in a folder, which is made when it is needed; without a folder, none.

    Of more than `largest_bytes` those that were not used for the longest time are removed. A file
    is a library after its own SHA-256: one that was cut short or changed counts as absent. A folder
    that cannot be written is a cache that stays empty.
    """

    folder: Path | None
    largest_bytes: int = LARGEST_BYTES

    @classmethod
    def of_user(cls) -> Self:
        """The cache where the environment wants it."""
        wanted = os.environ.get(VARIABLE, "")
        if wanted == OFF:
            return cls(None)
        if wanted:
            return cls(Path(wanted))
        # The specification wants relative paths ignored.
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return cls((base if base.is_absolute() else Path("~/.cache").expanduser()) / "fpc")

    def library(self, program: Program, build: Callable[[Program], bytes]) -> bytes:
        """The library of `program`, as it was kept or as `build` makes it."""
        if self.folder is None:
            return build(program)
        file = self.folder / f"{_key(program)}{_SUFFIX}"
        kept = _read(file)
        if kept is not None:
            return kept
        made = build(program)
        # Having compiled in vain once more is no reason to fail, nor is another process that
        # removes files at the same time.
        with suppress(OSError):
            _write(file, made)
            self._remove_oldest(self.folder)
        return made

    def _remove_oldest(self, folder: Path) -> None:
        files = [(file, file.stat()) for file in folder.glob(f"*{_SUFFIX}")]
        excess = sum(status.st_size for _, status in files) - self.largest_bytes
        for file, status in sorted(files, key=lambda each: each[1].st_mtime_ns):
            if excess <= 0:
                return
            file.unlink(missing_ok=True)
            excess -= status.st_size


def _key(program: Program) -> str:
    parts = (program.to_json(), repr(sorted(PINNED.items())), sources_digest(), platform.machine())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _read(file: Path) -> bytes | None:
    """What `_write` wrote, marked as used; None when it is not there as it was written."""
    try:
        content = file.read_bytes()
        digest, library = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(library).digest() != digest:
            return None
        os.utime(file)
    except OSError:
        return None
    return library


def _write(file: Path, library: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fpc-", dir=file.parent) as folder:
        staged = Path(folder, file.name)
        staged.write_bytes(hashlib.sha256(library).digest() + library)
        staged.replace(file)
