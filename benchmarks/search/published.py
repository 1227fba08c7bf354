"""FoxPandaNet's networks in the FOX-NAS space, with what their authors measured.

Expansions of 7 and 5, which the space does not have, are taken as 6.
"""

from __future__ import annotations

from typing import NamedTuple

from fpc.search.space.description import Subnet
from fpc.search.space.encoding import decode


class Published(NamedTuple):
    """A network as uint8 on a Raspberry Pi 4: milliseconds, and ImageNet top-1 in percent."""

    name: str
    subnet: Subnet
    latency_ms: float
    top1: float


FOXPANDANET = (
    Published(
        "fpnet_pixel4",
        decode(
            "192px/24-e2k3-e2k3/40-e2k5s-e2k3s/80-e3k7-e3k5-e3k5-e3k5/112-e6k3s-e6k3s-e6k3s"
            "/160-e6k7s-e6k3s-e6k3s-e6k3s"
        ),
        60.1,
        71.93,
    ),
    Published(
        "fpnet_dsp",
        decode(
            "224px/24-e3k3-e3k3/40-e3k3s-e3k3s-e3k3s/80-e3k7-e3k3-e3k3-e3k3"
            "/112-e6k3s-e6k3s-e6k3s/160-e6k7s-e6k3s-e6k3s-e6k3s"
        ),
        94.9,
        74.18,
    ),
    Published(
        "fpnet_fpga",
        decode(
            "160px/24-e3k3-e3k3/40-e3k3s-e3k3s-e3k3s/80-e6k3-e3k3-e3k3-e3k3"
            "/112-e6k3s-e6k3s-e6k3s/160-e6k3s-e6k3s-e6k3s"
        ),
        48.0,
        70.28,
    ),
)
