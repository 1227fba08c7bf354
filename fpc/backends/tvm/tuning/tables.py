"""Where tables of tiles come from: fpc ships one file an instruction set, users tune their own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.diagnostics.errors import UsageError

_SHIPPED = Path(__file__).parents[1] / "tiles"


def shipped_tiles(isa: Isa) -> TileTable:
    """The table for `isa`, empty where nobody has tuned kernels for it."""
    return _shipped(isa.name)


def tiles_of_file(file: Path, isa: Isa) -> TileTable:
    """The table in `file`.

    `UsageError` (`usage.tiles`) when there is none or it is for another instruction set,
    `BackendError` (`backend.tiles`) for what cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            "tiles", f"cannot read {file}: {error.strerror or error}", help="`fpc tune` writes one"
        ) from None
    table = TileTable.from_json(text, str(file))
    if table.isa != isa.name:
        raise UsageError(
            "tiles",
            f"{file} has tiles for {table.isa}, and the target has {isa.name}",
            help="leave it out, or tune on a machine like the target",
        )
    return table


@cache
def _shipped(isa: str) -> TileTable:
    file = _SHIPPED / f"{isa}.json"
    if not file.is_file():
        return TileTable(isa)
    return TileTable.from_json(file.read_text(encoding="utf-8"), file.name)
