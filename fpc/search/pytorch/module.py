"""A network of a space as the file of a PyTorch module, to be trained.

The file needs nothing but torch, and torch is not needed to write it. Its modules are called as in
once-for-all's networks, and as the constants of the graph that `fpc.search.space.network.build`
makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from fpc.ir.graph import Graph, Node
from fpc.ir.ops import Conv2d
from fpc.search.pytorch import parts
from fpc.search.pytorch.layers import SWAPPED, LayerText, activations_of, merges_patches
from fpc.search.pytorch.python_text import COLUMNS
from fpc.search.space.description import DenseLayer, PlainLayer, Space, Subnet
from fpc.search.space.encoding import encode
from fpc.search.space.layers import BLOCKS, PartialConvolution, Placed, layers_of
from fpc.search.space.network import build
from fpc.zoo.builder import Nonlinearity, Padding
from fpc.zoo.inverted_residual import InvertedResidual

_TEXT_COLUMNS = COLUMNS - 10
_LONGEST_RUN = 4
"""Equal blocks in a row that are all written out."""


def swapped_activations(space: Space, subnet: Subnet) -> tuple[str, ...]:
    """The activations of a network that ReLU6 may stand for, in words."""
    used = set[Nonlinearity]()
    for placed in layers_of(space, subnet):
        used |= activations_of(placed.layer)
    return tuple(words for activation, words in SWAPPED.items() if activation in used)


def torch_module(space: Space, subnet: Subnet, *, swap_activation: bool = True) -> str:
    """The text of the file; with `swap_activation`, ReLU6 stands for hard-swish and SiLU.

    The module gives logits: a softmax at the end of the space's networks comes back on export.
    """
    layers = layers_of(space, subnet)
    softmax = layers[-1].layer == PlainLayer(layer="softmax")
    if softmax:
        layers = layers[:-1]
    graph = build(space, subnet)
    features = {
        value.name.removesuffix(".linear.weight"): value.type.shape[1]
        for value in graph.constants
        if value.name.endswith(".linear.weight")
    }
    text = LayerText.of(space, layers, features, swaps=swap_activation)
    outputs = graph.outputs[0].type.shape[1:]
    swapped = swapped_activations(space, subnet) if swap_activation else ()
    return "\n\n".join(
        [
            _head(space, subnet, swapped),
            *_definitions(graph, layers, text),
            _network(subnet, layers, outputs, text),
            parts.EXPORT_WITH_SOFTMAX if softmax else parts.EXPORT,
        ]
    )


def _head(space: Space, subnet: Subnet, swapped: Sequence[str]) -> str:
    lines = [f'"""A network of the space {space.name}, to be trained.', ""]
    if swapped:
        lines.append(f"ReLU6 stands where the space has {' and '.join(swapped)}.")
    lines += ["`export` writes the trained network for `fpc compile`.", '"""', ""]
    lines += ["from collections import OrderedDict", "", "import torch"]
    lines.append("from torch import Tensor, nn")
    if space.padding is Padding.SAME:
        lines.append("from torch.nn import functional")
    lines += ["", *_constant("SUBNET", encode(subnet))]
    return "\n".join([*lines, f"RESOLUTION = {subnet.setting.resolution}", ""])


def _definitions(graph: Graph, layers: Sequence[Placed], text: LayerText) -> Iterator[str]:
    """What the network is made of, in the order of use."""
    usual = text.activation(text.usual)
    kinds = {type(placed.layer) for placed in layers}
    if text.space.padding is Padding.SAME:
        divides = all(_divides(node) for node in graph.nodes_of(Conv2d))
        yield parts.CONV2D_SAME if divides else parts.CONV2D_SAME_OF_ANY_SIDES
    sizes = ("in_channels", "channels", "kernel")
    conv = text.convolution(sizes, stride="stride", groups="groups", bias=False)
    lines = conv.lines(4, 'layers["conv"] = ')
    yield parts.CONV_LAYER.substitute(text.batch_norm, convolution="\n".join(lines))
    excites = any(getattr(placed.layer, "squeezed", None) is not None for placed in layers)
    if excites:
        excitation = text.space.excitation
        yield parts.SQUEEZE_EXCITE.substitute(
            act=text.activation(excitation.activation), gate=text.activation(excitation.gate)
        )
    if InvertedResidual in kinds:
        yield parts.INVERTED_RESIDUAL.substitute(
            act=usual,
            squeezing=parts.SQUEEZING if excites else "",
            squeezed=parts.SQUEEZED if excites else "",
            excitation=parts.EXCITATION if excites else "",
        )
    if any(merges_patches(placed.layer) for placed in layers):
        yield parts.PATCH_MERGING.substitute(text.batch_norm)
    if PartialConvolution in kinds:
        quarter = text.convolution(("quarter", "quarter", "kernel"), bias=False)
        lines = quarter.lines(8, "self.partial_conv = ")
        yield parts.PARTIAL_CONVOLUTION.substitute(act=usual, convolution="\n".join(lines))
    yield parts.INITIALISE


def _divides(node: Node[Conv2d]) -> bool:
    """Whether the strides of a convolution divide the sides of its input."""
    sides = node.input(0).type.shape[2:]
    return all(side % stride == 0 for side, stride in zip(sides, node.op.strides, strict=True))


def _network(
    subnet: Subnet, layers: Sequence[Placed], outputs: Sequence[int], text: LayerText
) -> str:
    has_logits = any(isinstance(placed.layer, DenseLayer) for placed in layers)
    shape = ", ".join(map(str, outputs))
    return parts.NETWORK.substitute(
        name=_class_name(text.space),
        resolution=subnet.setting.resolution,
        outputs=f"{'logits' if has_logits else 'outputs'} [N, {shape}]",
        modules="\n".join(_modules(layers, text)),
        steps="\n".join(_steps(layers)),
    )


def _modules(layers: Sequence[Placed], text: LayerText) -> Iterator[str]:
    for name, group in groupby(layers, _module_name):
        placed = tuple(group)
        if name == BLOCKS:
            yield f"        self.{name} = nn.Sequential("
            yield from _blocks(placed, text)
            yield "        )"
        elif not isinstance(placed[0].layer, PlainLayer):
            yield from text.module(placed[0]).lines(8, f"self.{name} = ")


def _blocks(placed: Iterable[Placed], text: LayerText) -> Iterator[str]:
    """A line a block; long runs of equal ones are loops."""
    for stage, blocks in groupby(placed, lambda block: block.stage):
        if stage is not None:
            yield f"            # Stage {stage + 1}"
        for block, run in groupby(map(text.module, blocks)):
            count = len(tuple(run))
            if count > _LONGEST_RUN:
                yield f"            *({block} for _ in range({count})),"
            else:
                yield from block.lines(12, after=",") * count


def _steps(layers: Sequence[Placed]) -> Iterator[str]:
    steps = [_step(name, next(group)) for name, group in groupby(layers, _module_name)]
    yield from (f"        x = {step}" for step in steps[:-1])
    yield f"        return {steps[-1]}"


def _step(name: str, placed: Placed) -> str:
    match placed.layer:
        case PlainLayer(layer="pool"):
            return "x.mean((2, 3), keepdim=True)"
        case PlainLayer(layer="flatten"):
            return "x.flatten(1)"
        case PlainLayer():
            return "x.softmax(1)"
        case _:
            return f"self.{name}(x)"


def _module_name(placed: Placed) -> str:
    return placed.name.partition(".")[0]


def _class_name(space: Space) -> str:
    name = "".join(word.capitalize() for word in space.name.split("-")) + "Subnet"
    return name if name[0].isalpha() else f"Space{name}"


def _constant(name: str, subnet: str) -> list[str]:
    """The text of a subnet in one line where that fits, else in lines for its stages."""
    whole = f'{name} = "{subnet}"'
    if len(whole) <= COLUMNS:
        return [whole]
    lines = [f'    "{subnet}"']
    if len(lines[0]) > COLUMNS:
        lines = [f'    "{line}"' for line in _broken(subnet)]
    return [f"{name} = (", *lines, ")"]


def _broken(subnet: str) -> list[str]:
    """The text of a subnet in lines that join to it: one a stage, or more for long stages."""
    lines = [""]
    for piece in re.findall(r"/?[^/-]+|-[^/-]+", subnet):
        if piece.startswith("/") or len(lines[-1]) + len(piece) > _TEXT_COLUMNS:
            lines.append("")
        lines[-1] += piece
    return lines
