"""Whether TVM is installed as fpc needs it, found out without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

from fpc.diagnostics.errors import MissingBackendError

PINNED: Mapping[str, str] = MappingProxyType(
    {"apache-tvm": "0.27.0.post1", "apache-tvm-ffi": "0.1.14.post1"}
)
"""The releases that fpc's schedules are written for and tested with.

The later apache-tvm-ffi 0.1.15.post2, which pip picks by itself, crashes in `Schedule.tensorize`.
"""

_INSTALL = "pip install " + " ".join(f"{name}=={wanted}" for name, wanted in PINNED.items())


def require_tvm() -> None:
    """`MissingBackendError` (`backend.missing-tvm`, `backend.tvm-version`) unless TVM is there."""
    for name, wanted in PINNED.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            raise MissingBackendError(
                "missing-tvm",
                f"the back end tvm needs the package {name}, which is not installed",
                help=f"install fpc with its extra `tvm`, or: {_INSTALL}",
            ) from None
        if found != wanted:
            raise MissingBackendError(
                "tvm-version",
                f"the back end tvm needs {name} {wanted}, installed is {found}",
                notes=["other releases miscompile or crash on fpc's schedules"],
                help=_INSTALL,
            )
