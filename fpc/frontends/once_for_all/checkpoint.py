"""PyTorch checkpoints as arrays by key. Nothing else of fpc imports torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fpc.diagnostics.errors import MissingBackendError, ModelError
from fpc.ir.constant import Array

_STATE = "state_dict"


def read_checkpoint(path: Path) -> dict[str, Array]:
    """The float tensors of a module's state, which may be under the key `state_dict`; float32.

    Only tensors and plain containers are read, never other objects, which could run code.
    `ModelError` for anything else, `MissingBackendError` without torch.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingBackendError(
            "missing",
            "PyTorch is not installed, and checkpoints are its files",
            help="install it with fpc's extra `train`: pip install 'fpc[train]'",
        )
    import torch

    content = _load(path)
    inner = content.get(_STATE, content)
    entries = cast("Mapping[str, Any]", inner if isinstance(inner, Mapping) else {})
    state = {
        str(key): tensor.detach().to(torch.float32).numpy()
        for key, tensor in entries.items()
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
    }
    if not state:
        raise _no_checkpoint(path, "it holds no tensors by name")
    return state


def _load(path: Path) -> Mapping[str, Any]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(
            "unreadable", f"cannot read {path}: {error.strerror or error}", model=str(path)
        ) from None
    except Exception as error:  # noqa: BLE001 - a broken pickle may raise anything
        raise _no_checkpoint(path, str(error).partition("\n")[0]) from None
    if not isinstance(content, Mapping):
        raise _no_checkpoint(path, f"it holds an object of type {type(content).__name__}")
    return cast("Mapping[str, Any]", content)


def _no_checkpoint(path: Path, reason: str) -> ModelError:
    return ModelError(
        "not-a-checkpoint",
        f"{path} is no checkpoint that fpc reads",
        model=str(path),
        notes=[reason],
        help="give a file that torch.save made of a module's state_dict(), as such or under the "
        f"key `{_STATE}`",
    )
