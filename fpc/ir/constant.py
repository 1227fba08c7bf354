"""Constant tensors: weights, or only their shape."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.diagnostics.errors import VerifyError

Array: TypeAlias = NDArray[Any]

_DIGEST_HEX_DIGITS = 16


class Constant:
    """A read-only array, shared freely between graphs.

    A constant without data (`Constant.abstract()`) stands for weights nobody needs yet: cost
    estimation and search build graphs of shapes only.
    """

    def __init__(self, data: Array | None) -> None:
        if data is not None:
            data = np.ascontiguousarray(data).reshape(np.shape(data))
            if data.flags.writeable:
                data = data.view()
                data.flags.writeable = False
        self._data = data

    @classmethod
    def abstract(cls) -> Constant:
        """A constant of which only the type is known."""
        return cls(None)

    @property
    def is_abstract(self) -> bool:
        """Whether the data is absent."""
        return self._data is None

    @property
    def data(self) -> Array:
        """The values, read-only; `VerifyError` for an abstract constant."""
        if self._data is None:
            raise VerifyError(
                "abstract-constant",
                "the values of a shape-only constant were asked for",
                help="build the graph with weights, or stay with shape-only analyses",
            )
        return self._data

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the SHA-256 of dtype, shape and bytes; `shape-only` without data."""
        if self._data is None:
            return "shape-only"
        header = f"{self._data.dtype.str}{list(self._data.shape)}".encode()
        return hashlib.sha256(header + self._data.tobytes()).hexdigest()[:_DIGEST_HEX_DIGITS]
