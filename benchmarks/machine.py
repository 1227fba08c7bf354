"""What figures of a run hold for."""

from __future__ import annotations

import os


def machine() -> str:
    """This machine, and how busy it is before anything runs."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} when started"
