"""Making a network take raw image bytes: `--image-input`."""

from __future__ import annotations

from dataclasses import replace

from fpc.diagnostics.errors import UsageError
from fpc.driver.phases.prepare import Stage
from fpc.frontends.samples import Preprocessing


def take_image_bytes(stage: Stage, preprocessing: Preprocessing) -> tuple[Stage, Preprocessing]:
    """Build normalisation and channel order into the network; the rest stays to be done outside.

    The answer is the network that takes RGB values from 0 to 255, and the preprocessing that is
    left (resize and crop). `UsageError` when the model has no image input.
    """
    inputs = stage.graph.inputs
    if len(inputs) != 1 or inputs[0].type.rank != 4 or inputs[0].type.shape[1] not in (1, 3):
        raise UsageError(
            "image-input",
            "--image-input fits models with one image input of 1 or 3 channels, this one has "
            + ", ".join(f"`{value.name}` {value.type}" for value in inputs),
        )
    mean = ", ".join(map(repr, preprocessing.mean))
    std = ", ".join(map(repr, preprocessing.std))
    text = (
        f"image-input{{mean=[{mean}], std=[{std}], scale={preprocessing.scale!r}, "
        f"order={preprocessing.channel_order}}}"
    )
    left = replace(preprocessing, mean=(0.0,), std=(1.0,), scale=1.0, channel_order="rgb")
    return stage.then(text), left
