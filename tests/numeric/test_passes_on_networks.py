"""Real networks compute the same, in onnxruntime, before and after every pipeline of passes."""

import numpy as np
import pytest

from fpc.backends.onnx.runner import onnxruntime_runner
from fpc.frontends.onnx import load
from fpc.ir.ops import BatchNorm, Conv2d, Transpose
from fpc.ir.verifier import verify
from fpc.passes.manifest import MANIFEST
from fpc.passes.presets import PRESETS
from fpc.rewrite.pipeline import Pipeline
from fpc.rewrite.spec import parse_pipeline

NETWORKS = [
    "trained/cifar10_resnet20_bn",
    "trained/mobilenet_v1_0.25_224_keras_bn",
    "trained/mobilenet_v2_1.0_224_dequant_float",
    "trained/squeezenet_v1.1_fp16weights",
    "suite/FastestDet",
    "suite/ch_PP-OCRv3_det_infer",
    "suite/ch_ppocr_mobile_v2.0_cls_infer",
    "suite/ch_ppocr_mobile_v2.0_det_prune_infer",
    "suite/light_densenet121",
    "suite/light_inception_v1",
    "suite/proxyless_gaze_landmark_detection",
    "suite/qonnx_bsd300x3-espcn_nn_resize_float_model",
    "suite/qonnx_bsd300x3-espcn_subpixel_float_model",
    "suite/qonnx_mnist-conv_model",
    "suite/scrfd_500m_kps",
    "suite/ultraface_version-slim-320",
    "suite/yolox_nano",
    "suite/yunet_n_320_320",
]
DYNAMIC = {"suite/ch_": {"x": (1, 3, 160, 160)}}
PIPELINES = (
    PRESETS["optimise"],
    "legalise{hard-swish=decompose, avg-pool=depthwise}",
    PRESETS["nhwc"],
)
TOLERANCE = 1e-5
"""Of an output's range, or of the float32 numbers a sigmoid at the output is computed from."""
LAST_BIT = np.float32(1 + 2**-23)
"""Some networks amplify rounding: passes may do thrice what the last bit of the inputs does."""


def shapes_of(name):
    return next((shapes for prefix, shapes in DYNAMIC.items() if name.startswith(prefix)), {})


@pytest.mark.parametrize("name", NETWORKS)
def test_pipelines_keep_the_function(name, shared_data):
    graph = load(shared_data / "models" / f"{name}.onnx", input_shapes=shapes_of(name)).graph
    noise = np.random.default_rng(0)
    inputs = [noise.standard_normal(v.type.shape).astype(np.float32) for v in graph.inputs]
    runner = onnxruntime_runner(graph)
    expected = runner(inputs)
    jitter = runner([x * LAST_BIT for x in inputs])
    names = [value.name for value in graph.outputs]
    for text in PIPELINES:
        Pipeline(parse_pipeline(text, MANIFEST)).run(graph, lambda step, result: verify(result))
        found = onnxruntime_runner(graph)(inputs)
        assert [value.name for value in graph.outputs] == names
        for want, got, rounded in zip(expected, found, jitter, strict=True):
            reach = max(float(np.abs(want).max(initial=0)), 1e-2)
            allowed = max(TOLERANCE * reach, 3 * float(np.abs(want - rounded).max(initial=0)))
            np.testing.assert_allclose(got, want, rtol=0, atol=allowed, err_msg=text)


COUNTS = {
    "trained/cifar10_resnet20_bn": (19, 1),
    "trained/mobilenet_v2_1.0_224_dequant_float": (53, 1),
    "suite/light_densenet121": (183, 1),
    "suite/FastestDet": (70, 15),
}


@pytest.mark.parametrize("name", COUNTS)
def test_nothing_needless_is_left(name, shared_data):
    """Its convolutions, and transposes at its interface and for the 13 shuffles of FastestDet."""
    graph = load(shared_data / "models" / f"{name}.onnx").graph
    for text in (PRESETS["optimise"], PRESETS["nhwc"]):
        Pipeline(parse_pipeline(text, MANIFEST)).run(graph)
    kinds = [type(node.op) for node in graph]
    assert BatchNorm not in kinds
    assert (kinds.count(Conv2d), kinds.count(Transpose)) == COUNTS[name]
