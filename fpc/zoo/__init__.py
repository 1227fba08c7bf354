"""The field's networks as graphs: `build` makes one by name, `names` lists them.

Both are imported when first used, so that a module of one family costs nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpc.zoo.catalog import build, names, options

__all__ = ["build", "names", "options"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fpc.zoo' has no attribute '{name}'")
    return getattr(importlib.import_module("fpc.zoo.catalog"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
