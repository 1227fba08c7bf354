"""SSDLite: the published size on MobileNetV2, its maps, other backbones."""

from __future__ import annotations

import pytest

from fpc.diagnostics.errors import UsageError
from fpc.targets.description import multiply_adds
from fpc.zoo.catalog import build
from fpc.zoo.ssdlite import ssdlite
from tests.unit.zoo.counts import assert_forms_agree, parameters


def test_size_on_mobilenet_v2_is_the_published_one() -> None:
    """4.3 M and 0.8 G (one digit is given) for the 80 classes of COCO and the background."""
    assert parameters(ssdlite(classes=81, seed=0)) == pytest.approx(4.3e6, rel=0.01)
    assert round(sum(map(multiply_adds, ssdlite(classes=81))) / 1e9, 1) == 0.8


def test_heads_sit_on_the_expansion_at_stride_16_and_on_the_last_map() -> None:
    """576 channels are those inside MobileNetV2's first block at stride 32, as in TensorFlow's."""
    network = ssdlite()
    boxes, scores = network.outputs[:6], network.outputs[6:]
    extents = [20, 10, 5, 3, 2, 1]
    assert [v.type.shape for v in boxes] == [
        (1, 4 * (6 if i else 3), e, e) for i, e in enumerate(extents)
    ]
    assert [v.type.shape for v in scores] == [
        (1, 91 * (6 if i else 3), e, e) for i, e in enumerate(extents)
    ]
    depthwise = [v.producer.input(0).producer for v in boxes[:2] if v.producer is not None]
    assert [node.output.type.shape[1] for node in depthwise if node is not None] == [576, 1280]


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "resnet18", "fasternet_t0", "dmasking_f1"])
def test_forms_agree(backbone: str) -> None:
    assert_forms_agree(ssdlite(backbone, 128), ssdlite(backbone, 128, seed=0))


@pytest.mark.parametrize("backbone", ["nas_bench_201", "ssdlite"])
def test_a_backbone_without_such_maps_is_refused(backbone: str) -> None:
    with pytest.raises(UsageError, match="has no map of") as caught:
        build("ssdlite", backbone=backbone, resolution=320)
    assert caught.value.code == "usage.detector-backbone"
