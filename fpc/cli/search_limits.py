"""The options of `fpc search` that limit networks beyond their latency."""

from __future__ import annotations

from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.quantities import Quantity

if TYPE_CHECKING:
    from fpc.search.limits.setting import Limits

MaxSize = Annotated[
    str | None,
    typer.Option(
        help="The most that int8 weights and biases may take in the file, with their scales: "
        "`4MB`, `512KiB`.",
        metavar="BYTES",
    ),
]
MaxMacs = Annotated[
    str | None,
    typer.Option(help="The most multiply-adds of one inference: `300M`.", metavar="COUNT"),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        help="The most that int8 activations may take at once, the input included: `2MB`.",
        metavar="BYTES",
    ),
]
DelegateOnly = Annotated[
    bool,
    typer.Option(
        "--delegate-only", help="Only networks of which no operator leaves the target's fast unit."
    ),
]


_BYTES = MappingProxyType(
    {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
)
_COUNTS = MappingProxyType({"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9})
_SIZE = Quantity("--max-size", "size", _BYTES, "4MB")
_MACS = Quantity("--max-macs", "number of multiply-adds", _COUNTS, "300M")
_MEMORY = Quantity("--max-memory", "size", _BYTES, "2MB")


def limits_of(
    max_size: str | None, max_macs: str | None, max_memory: str | None, *, delegate_only: bool
) -> Limits:
    """The limits that were given; `UsageError` for what is no positive amount."""
    from fpc.search.limits.setting import Limits

    size, macs, memory = (
        inf if text is None else max(1.0, float(round(quantity.parse(text))))
        for quantity, text in ((_SIZE, max_size), (_MACS, max_macs), (_MEMORY, max_memory))
    )
    return Limits(size, macs, memory, delegate_only)
