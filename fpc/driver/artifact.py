"""Writing an artifact directory: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fpc.diagnostics.errors import UsageError

_MARK = "report.json"


def default_directory(model: Path, target: str) -> Path:
    """`NAME-TARGET` beside the model."""
    return model.with_name(f"{model.stem}-{target}")


def check_writable(directory: Path) -> None:
    """`UsageError` when an artifact could not be put at `directory`: asked before the work."""
    if directory.exists() and not directory.is_dir():
        raise UsageError("output", f"{directory} is a file, an artifact is a directory")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / _MARK).is_file():
        raise UsageError(
            "output",
            f"{directory} exists and is not an artifact of fpc (it has no {_MARK})",
            help="name another directory with -o; fpc replaces only what it made",
        )
    parent = _existing_parent(directory)
    if not os.access(parent, os.W_OK | os.X_OK) or not parent.is_dir():
        raise UsageError(
            "output",
            f"cannot write to {parent}",
            help="name a directory you may write to with -o",
        )
    try:
        with tempfile.TemporaryDirectory(prefix=".fpc-", dir=parent):
            pass
    except OSError as error:
        raise UsageError(
            "output",
            f"cannot write to {parent}: {error.strerror}",
            help="name a directory you may write to with -o",
        ) from None


def write_directory(directory: Path, files: Mapping[str, bytes]) -> None:
    """Put `files` at `directory`, replacing an artifact that was there, in one step.

    The files are written to a hidden directory beside it, which is then renamed; whatever goes
    wrong before that leaves nothing behind. `UsageError` when the place cannot be written.
    """
    check_writable(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".fpc-", dir=directory.parent))
    except OSError as error:
        raise _cannot_write(directory, error) from None
    try:
        staging.chmod(0o755)
        for name, content in files.items():
            (staging / name).write_bytes(content)
        _swap(staging, directory)
    except OSError as error:
        raise _cannot_write(directory, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_file_writable(file: Path) -> None:
    """`UsageError` when no file could be put at `file`: asked before the work."""
    with _staged(file):
        pass


def write_file(file: Path, content: bytes) -> None:
    """Put `content` at `file`, whole or not at all; `UsageError` when the place is not writable."""
    with _staged(file) as staged:
        staged.write_bytes(content)
        staged.replace(file)


@contextmanager
def _staged(file: Path) -> Generator[Path]:
    """A place on the same file system as `file`, to move from."""
    try:
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryDirectory(prefix=".fpc-", dir=file.parent) as folder:
            yield Path(folder, file.name)
    except OSError as error:
        raise UsageError(
            "output",
            f"cannot write {file}: {error.strerror or error}",
            help="name a file in a folder that you may write to",
        ) from None


def digest(content: bytes) -> str:
    """The SHA-256 of `content`, in hex."""
    return hashlib.sha256(content).hexdigest()


def _swap(staging: Path, directory: Path) -> None:
    if not directory.exists():
        staging.rename(directory)
        return
    retired = Path(tempfile.mkdtemp(prefix=".fpc-", dir=directory.parent)) / directory.name
    directory.rename(retired)
    try:
        staging.rename(directory)
    except OSError:
        retired.rename(directory)
        raise
    finally:
        shutil.rmtree(retired.parent, ignore_errors=True)


def _existing_parent(directory: Path) -> Path:
    parent = directory.absolute().parent
    while not parent.exists():
        parent = parent.parent
    return parent


def _cannot_write(directory: Path, error: OSError) -> UsageError:
    return UsageError(
        "output",
        f"cannot write {directory}: {error.strerror or error}",
        help="name a directory you may write to with -o",
    )
