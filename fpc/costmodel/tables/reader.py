"""Tables of every format, told apart by the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.diagnostics.errors import CostModelError

if TYPE_CHECKING:
    from fpc.costmodel.tables.table import LatencyTable


def read_table(path: Path, *, precision: str) -> LatencyTable[Any]:
    """The latency table at `path`: .yaml of Once-for-All or ProxylessNAS, .json of FBNet.

    `precision` chooses operators of FBNet's tables; the others do not state theirs.
    `CostModelError` (`cost.unreadable`, `cost.table-...`) for a file that holds no table.
    """
    from fpc.costmodel.tables.fbnet import read_fbnet
    from fpc.costmodel.tables.once_for_all import read_once_for_all

    try:
        match path.suffix:
            case ".yaml" | ".yml":
                return read_once_for_all(path)
            case ".json":
                return read_fbnet(path, precision)
            case suffix:
                raise CostModelError(
                    "table-format",
                    f"{path}: there are no latency tables in `{suffix}` files",
                    help="give a .yaml file of Once-for-All or ProxylessNAS, or a .json file of "
                    "operators",
                )
    except (OSError, UnicodeDecodeError) as error:
        raise CostModelError("unreadable", f"cannot read {path}: {error}") from None
