"""Finding spaces: those that come with fpc, and a user's file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fpc.diagnostics.document import DocumentKind
from fpc.diagnostics.errors import SearchError, VerifyError
from fpc.diagnostics.render import suggest
from fpc.search.accuracy.model import AccuracyModel, read_accuracy
from fpc.search.space.description import Space
from fpc.search.space.network import smallest


def names() -> tuple[str, ...]:
    """The spaces that come with fpc."""
    folder = files("fpc.search") / "spaces"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir()))


def load(name_or_path: str) -> Space:
    """The space called `name_or_path`, or described by that TOML file.

    `SearchError` for an unknown name or a file that does not describe a space.
    """
    path = _path(name_or_path)
    space = _space_file().read(path)
    _require_networks(space, path)
    return space


def source(name_or_path: str) -> str:
    """The TOML text of a space."""
    return _space_file().text(_path(name_or_path))


def shipped_accuracy(space: Space) -> AccuracyModel:
    """The accuracy regression that comes with fpc for `space`; `SearchError` where none does."""
    path = Path(str(files("fpc.search") / "coefficients" / f"{space.name}.json"))
    if not path.is_file():
        raise SearchError(
            "no-accuracy",
            f"fpc has no accuracy regression of the space `{space.name}`",
            help="give --accuracy a table of subnets and their top-1 (.csv), or a command that "
            "evaluates one",
        )
    return read_accuracy(path)


def _path(name_or_path: str) -> Path:
    if name_or_path.endswith(".toml"):
        return Path(name_or_path)
    if name_or_path not in names():
        raise SearchError(
            "unknown-space",
            f"there is no space `{name_or_path}`",
            help=suggest(name_or_path, names(), what="spaces")
            + "; a path to a TOML file works too",
        )
    return Path(str(files("fpc.search") / "spaces" / f"{name_or_path}.toml"))


def _space_file() -> DocumentKind[Space]:
    return DocumentKind(
        Space,
        "does not describe a space",
        fault=SearchError,
        malformed="malformed-space",
        help="compare with a space that comes with fpc: `fpc search --show-space fox-nas`",
    )


def _require_networks(space: Space, path: Path) -> None:
    """`SearchError` unless the smallest network can be built: all others are larger."""
    try:
        smallest(space)
    except VerifyError as error:
        raise SearchError(
            "malformed-space",
            f"{path} describes networks that cannot be, at {space.resolutions[0]} px: "
            + error.message,
            help="give larger resolutions, or fewer and smaller strides",
        ) from None
