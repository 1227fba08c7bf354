"""SSDLite (Sandler et al. 2018, section 6.2): a detector on the maps of any classifier of the zoo.

Where the parts sit follows TensorFlow's object detection API: the first head on the last map at
stride 16, the second on the map before the classifier's pooling, four more maps at half the extents
each; a head is a 3x3 depthwise and a 1x1 convolution.
"""

from __future__ import annotations

from fpc.diagnostics.errors import UsageError
from fpc.ir.graph import Graph, Value
from fpc.ir.ops import GlobalAvgPool
from fpc.rewrite.rewriter import Rewriter
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity, Padding
from fpc.zoo.catalog import build

_RELU6 = Nonlinearity.RELU6
_EXTRA_CHANNELS = (512, 256, 256, 128)
_ANCHORS = (3, 6, 6, 6, 6, 6)
_FIRST_STRIDE = 16


def ssdlite(
    backbone: str = "mobilenet_v2",
    resolution: int = 320,
    classes: int = 91,
    seed: int | None = None,
) -> Graph:
    """A detector of `classes` classes, background included; the maps before any decoding.

    Outputs, finest map first: boxes [1, 4 * anchors, height, width] of the six maps, then class
    scores [1, classes * anchors, height, width], with 3 anchors on the first map and 6 on the
    others. Published on MobileNetV2 at 320 pixels for COCO's 80 classes and the background: 4.3 M
    parameters, 0.8 G multiply-adds.
    `UsageError` for a backbone that has no map at stride 16 or no global pooling after its maps.
    """
    graph = build(backbone, resolution=resolution, seed=seed)
    features = _features(graph, backbone, resolution)
    graph.set_outputs(features)
    _erase_unread(graph)
    b = NetworkBuilder.extending(graph, f"ssdlite_{backbone}", seed=seed, padding=Padding.SAME)
    maps = list(features)
    for channels in _EXTRA_CHANNELS:
        y = b.conv(maps[-1], channels // 2, act=_RELU6)
        y = b.depthwise(y, 3, stride=2, act=_RELU6)
        maps.append(b.conv(y, channels, act=_RELU6))
    heads = list(zip(maps, _ANCHORS, strict=True))
    boxes = [_head(b, x, 4 * anchors) for x, anchors in heads]
    scores = [_head(b, x, classes * anchors) for x, anchors in heads]
    return b.finish(*boxes, *scores)


def _features(graph: Graph, backbone: str, resolution: int) -> tuple[Value, Value]:
    extent = -(-resolution // _FIRST_STRIDE)
    shape = (extent, extent)
    fine = [v for node in graph for v in node.outputs if v.type.shape[2:] == shape]
    pools = list(graph.nodes_of(GlobalAvgPool))
    if not fine or not pools:
        raise UsageError(
            "detector-backbone",
            f"`{backbone}` at {resolution} pixels has no map of {extent} x {extent}, or no pooling",
            help="give a backbone that halves its map four times before its classifier",
        )
    return fine[-1], pools[-1].input(0)


def _erase_unread(graph: Graph) -> None:
    rewriter = Rewriter(graph)
    for node in reversed(graph.nodes):
        if not any(value.use_count for value in node.outputs):
            rewriter.erase(node)


def _head(b: NetworkBuilder, x: Value, channels: int) -> Value:
    y = b.depthwise(x, 3, act=_RELU6)
    return b.conv(y, channels, affine=Affine.BIAS)
