"""Subnets as text and as plain data.

    subnet = setting { "/" stage }          224px/24-e3k3-e6k5/40-e3k3s-e3k3s
    setting = pixels "px" [ "-w" width ]
    stage = channels { "-" block }
    block = "e" expansion "k" kernel [ "s" ]

`s` marks squeeze-excite, channels are those at width 1, and a width of 1 is left out.
"""

from __future__ import annotations

import re
from typing import Any

from fpc.diagnostics.errors import SearchError
from fpc.search.space.description import Block, Setting, StageChoice, Subnet

_SETTING = re.compile(r"(\d+)px(?:-w(\d+(?:\.\d+)?))?", re.ASCII)
_STAGE = re.compile(r"(\d+)((?:-e\d+(?:\.\d+)?k\d+s?)+)", re.ASCII)
_BLOCK = re.compile(r"-e(\d+(?:\.\d+)?)k(\d+)(s?)", re.ASCII)


def encode(subnet: Subnet) -> str:
    """The text of a subnet."""
    resolution, width = subnet.setting
    stages = (
        "-".join(
            [
                str(stage.channels),
                *(f"e{b.expansion:g}k{b.kernel}{'s' if b.excites else ''}" for b in stage.blocks),
            ]
        )
        for stage in subnet.stages
    )
    return "/".join([f"{resolution}px" + ("" if width == 1.0 else f"-w{width:g}"), *stages])


def decode(text: str) -> Subnet:
    """The subnet that `text` is; `SearchError` where it is none."""
    head, *stages = text.strip().split("/")
    setting = _SETTING.fullmatch(head)
    found = [_STAGE.fullmatch(stage) for stage in stages]
    if setting is None or not found or None in found:
        raise SearchError(
            "subnet-text",
            f"cannot read the subnet `{text}`",
            help="write it as `224px/24-e3k3-e6k5/40-e3k3s-e3k3s`: pixels, then each stage's "
            "channels and the expansion, kernel and squeeze-excite (s) of its blocks",
        )
    return Subnet(
        Setting(int(setting[1]), float(setting[2] or 1.0)),
        tuple(
            StageChoice(
                int(stage[1]),
                tuple(
                    Block(float(block[1]), int(block[2]), bool(block[3]))
                    for block in _BLOCK.finditer(stage[2])
                ),
            )
            for stage in found
            if stage is not None
        ),
    )


def as_data(space: str, subnet: Subnet) -> dict[str, Any]:
    """The subnet as JSON has it."""
    return {
        "space": space,
        "text": encode(subnet),
        "resolution": subnet.setting.resolution,
        "width": subnet.setting.width,
        "stages": [
            {"channels": stage.channels, "blocks": [block._asdict() for block in stage.blocks]}
            for stage in subnet.stages
        ],
    }
