"""What this machine calls itself."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from fpc.diagnostics.errors import UsageError

_CPUINFO = Path("/proc/cpuinfo")
_KEYS = ("model name", "Model", "Hardware")


def device_name(cpuinfo: Path = _CPUINFO) -> str:
    """The processor's or the board's name with its instruction set: `... (x86_64)`."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        # Systems without /proc still have a name to tell figures apart by.
        lines = []
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    name = next((facts[key] for key in _KEYS if facts.get(key)), platform.node())
    return f"{' '.join(name.split())} ({platform.machine()})"


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
