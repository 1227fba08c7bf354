"""What this machine calls itself."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from fpc.diagnostics.errors import UsageError

_CPUINFO = Path("/proc/cpuinfo")
_BOARD = Path("/proc/device-tree/model")
_KEYS = ("model name", "Model", "Hardware")


@dataclass(frozen=True)
class Machine:
    """A machine by its name; the clock of an emulated one tells nothing of the real one."""

    name: str
    is_emulated: bool = False


def device_name(cpuinfo: Path = _CPUINFO, board: Path = _BOARD) -> str:
    """The processor's or the board's name with its instruction set: `... (x86_64)`.

    Boards of ARM often name themselves only in their device tree.
    """
    facts = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in _text(cpuinfo).splitlines())
    }
    named = next((facts[key] for key in _KEYS if facts.get(key)), "")
    name = named or _text(board).strip("\0") or platform.node()
    return f"{' '.join(name.split())} ({platform.machine()})"


def _text(path: Path) -> str:
    """Nothing where there is no such file: a system without it still has another name."""
    return path.read_text(errors="replace") if path.is_file() else ""


def require_processors(processors: tuple[int, ...]) -> None:
    """`UsageError` when this process may not run on one of `processors`."""
    allowed = os.sched_getaffinity(0)
    absent = sorted(set(processors) - allowed)
    if absent:
        raise UsageError(
            "pin",
            f"there is no processor {absent[0]} to pin to",
            help=f"this process may use {', '.join(map(str, sorted(allowed)))}",
        )
