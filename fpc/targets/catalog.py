"""Finding targets: shipped files, a user's file, or a package's entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

from fpc.diagnostics.document import DocumentKind
from fpc.diagnostics.errors import TargetError
from fpc.diagnostics.render import suggest
from fpc.targets.description import Target

ENTRY_POINT_GROUP = "fpc.targets"


def names() -> tuple[str, ...]:
    """The names of every installed target, shipped ones first."""
    return (*_shipped(), *(point.name for point in entry_points(group=ENTRY_POINT_GROUP)))


def load(name_or_path: str) -> Target:
    """The target called `name_or_path`, or described by that TOML file.

    Entry points of the group `fpc.targets` give the path of a TOML file (or a function that does).
    `TargetError` for an unknown name or a file that does not describe a target.
    """
    return read(_path(name_or_path))


def source(name_or_path: str) -> str:
    """The TOML text of a target."""
    return _target_file().text(_path(name_or_path))


def _path(name_or_path: str) -> Path:
    if name_or_path.endswith(".toml"):
        return Path(name_or_path)
    if name_or_path in _shipped():
        return Path(str(files("fpc.targets") / "catalog" / f"{name_or_path}.toml"))
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name_or_path):
        found: Any = point.load()
        path: Any = found() if callable(found) else found
        return Path(path)
    raise TargetError(
        "unknown",
        f"there is no target `{name_or_path}`",
        help=suggest(name_or_path, names(), what="targets") + "; a path to a TOML file works too",
    )


def read(path: Path) -> Target:
    """The target that the TOML file at `path` describes, its cost model by a path that opens."""
    target = _target_file().read(path)
    if target.cost_model is None:
        return target
    return target.model_copy(update={"cost_model": str(path.parent / target.cost_model)})


def _target_file() -> DocumentKind[Target]:
    return DocumentKind(
        Target,
        "does not describe a target",
        fault=TargetError,
        malformed="malformed",
        help="compare with a shipped target: `fpc targets rpi4-arm --toml`",
    )


def _shipped() -> tuple[str, ...]:
    folder = files("fpc.targets") / "catalog"
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in folder.iterdir()
            if entry.name.endswith(".toml")
        )
    )
