"""image-input: the network takes raw pixels, 0 to 255 in RGB order, and normalises them itself.

What was done outside, (pixel * scale - mean) / std for every channel, goes into the weights of the
first convolutions. Their zero padding stood for the mean colour: it becomes an explicit frame in
that colour, so that the border is computed exactly as before.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fpc.diagnostics.errors import PassError
from fpc.ir.graph import Node, Value
from fpc.ir.op import Layout, Op
from fpc.ir.ops import Concat, Conv2d, Pad
from fpc.passes.affine import Affine, scale_inputs, weights_known
from fpc.rewrite.invariants import FLOAT, NCHW, Invariant
from fpc.rewrite.passes import Declined, Pass
from fpc.rewrite.rewriter import Rewriter


class ChannelOrder(enum.Enum):
    """The order of colours that a network was trained with."""

    RGB = "rgb"
    BGR = "bgr"


@dataclass(frozen=True)
class ImageInput(Pass):
    """Folds the normalisation of the image input into the network.

    mean, std: one number, or one a channel in the order the network takes them. scale multiplies
    pixels first. order is the network's; the new input is RGB. `PassError` when the graph has no
    single image input of 1 or 3 channels, or the numbers do not fit it.
    """

    name: ClassVar[str] = "image-input"
    requires: ClassVar[tuple[Invariant, ...]] = (FLOAT, NCHW)
    changes_function: ClassVar[bool] = True

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    order: ChannelOrder = ChannelOrder.RGB

    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """Fold into the first convolutions, or put a 1x1 convolution in front of the network."""
        image = _image_of(rewriter)
        channels = image.type.shape[1]
        affine = self._normalisation(channels)
        swaps = self.order is ChannelOrder.BGR and channels == 3
        if not swaps and not affine.moves_zero and bool(np.all(affine.scale == 1.0)):
            return ()
        source = np.arange(channels)[::-1] if swaps else np.arange(channels)
        if not image.users:
            return ()
        reason = _refusal(image)
        if reason is not None:
            _put_in_front(image, affine, source, rewriter)
            return (Declined(f"a 1x1 convolution normalises: {reason}", image.location),)
        for reader in image.users:
            _fold(reader, image, affine, source, rewriter)
        return ()

    def _normalisation(self, channels: int) -> Affine:
        mean = _by_channel("mean", self.mean, channels)
        std = _by_channel("std", self.std, channels)
        if not np.all(std):
            raise PassError("image-input", "a standard deviation of 0 would divide by zero")
        return Affine(self.scale / std, -mean / std)


def _image_of(rewriter: Rewriter) -> Value:
    inputs = rewriter.graph.inputs
    if len(inputs) == 1 and inputs[0].type.rank == 4 and inputs[0].type.shape[1] in (1, 3):
        return inputs[0]
    raise PassError(
        "image-input",
        "the graph has no single image input of 1 or 3 channels: " + ", ".join(map(repr, inputs)),
    )


def _by_channel(name: str, numbers: tuple[float, ...], channels: int) -> NDArray[np.float64]:
    if len(numbers) not in (1, channels):
        raise PassError("image-input", f"{len(numbers)} numbers of {name} for {channels} channels")
    return np.broadcast_to(np.array(numbers, np.float64), (channels,))


def _refusal(image: Value) -> str | None:
    """Why normalisation cannot go into the weights of all readers, None when it can."""
    for reader in image.users:
        if not isinstance(reader.op, Conv2d) or reader.input(0) is not image:
            return f"{reader!r} is no convolution of the image"
        if not weights_known(reader):
            return f"the weights of {reader!r} are not known"
        if reader.op.groups != 1:
            return f"{reader!r} is grouped"
    return None


def _fold(
    reader: Node[Op],
    image: Value,
    affine: Affine,
    source: NDArray[np.intp],
    rewriter: Rewriter,
) -> None:
    op = reader.op
    assert isinstance(op, Conv2d)
    weights, bias = scale_inputs(reader, affine)
    weights = np.ascontiguousarray(weights[:, source])
    framed = image
    if any(op.pads) and affine.moves_zero:
        colour = (-affine.shift / affine.scale)[source]
        framed = _frame(image, op.pads, colour, reader, rewriter)
        op = replace(op, pads=(0, 0, 0, 0))
    old_bias = reader.optional_input(2)
    name = f"{reader.output.name}.bias" if old_bias is None else old_bias.name
    rewriter.replace(
        reader,
        op,
        framed,
        rewriter.constant(weights, reader.input(1).name),
        None if bias is None else rewriter.constant(bias, name),
    )


def _frame(
    image: Value,
    pads: tuple[int, int, int, int],
    colour: NDArray[np.float64],
    before: Node[Op],
    rewriter: Rewriter,
) -> Value:
    """`image` with a frame in one colour: a pad for grey, else strips joined to its sides."""
    top, left, bottom, right = pads
    if np.all(colour == colour[0]):
        pad = Pad((0, 0, top, left), (0, 0, bottom, right), float(colour[0]))
        return rewriter.insert(pad, image, before=before, name=f"{image.name}.framed").output
    framed = image
    for axis, widths in ((3, (left, right)), (2, (top, bottom))):
        strips = [
            [_strip(framed, axis, width, colour, rewriter)] if width else [] for width in widths
        ]
        if any(widths):
            parts = (*strips[0], framed, *strips[1])
            name = f"{image.name}.framed"
            framed = rewriter.insert(Concat(axis), *parts, before=before, name=name).output
    return framed


def _strip(
    image: Value, axis: int, width: int, colour: NDArray[np.float64], rewriter: Rewriter
) -> Value:
    shape = tuple(width if a == axis else extent for a, extent in enumerate(image.type.shape))
    data = np.broadcast_to(colour.reshape(1, -1, 1, 1), shape).astype(np.float32)
    return rewriter.constant(data, "frame")


def _put_in_front(
    image: Value, affine: Affine, source: NDArray[np.intp], rewriter: Rewriter
) -> None:
    """Normalise by a convolution of one tap, depthwise unless colours change places."""
    channels = image.type.shape[1]
    first = next(iter(rewriter.graph), None)
    identity = bool(np.all(source == np.arange(channels)))
    if identity:
        weights = affine.scale.reshape(-1, 1, 1, 1)
    else:
        weights = (np.diag(affine.scale)[:, source]).reshape(channels, channels, 1, 1)
    conv = Conv2d(groups=channels if identity else 1, layout=Layout.NCHW)
    made = rewriter.insert(
        conv,
        image,
        rewriter.constant(weights.astype(np.float32), f"{image.name}.scale"),
        rewriter.constant(affine.shift.astype(np.float32), f"{image.name}.shift"),
        before=first,
        name=f"{image.name}.normalised",
        location=image.location,
    )
    for use in image.uses:
        if isinstance(use.user, Node) and use.user is not made:
            rewriter.set_input(use.user, use.position, made.output)
