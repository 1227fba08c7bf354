"""Whole quantised networks against LiteRT: the same bits from image to output.

Calibration on noise makes poor networks, which mean as precise a thing as good ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpc.driver.phases.lower import emit_tflite, float_runner, run_file, set_layout
from fpc.driver.phases.prepare import imported_from, prepare
from fpc.driver.phases.watch import random_inputs
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.passes.presets import pipeline_of
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.plan import make_plan
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16
from fpc.targets import catalog

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
TRAINED = [
    "cifar10_resnet20_bn",
    "mobilenet_v1_0.25_224_keras_bn",
    "mobilenet_v2_1.0_224_dequant_float",
    "squeezenet_v1.1_fp16weights",
]
PP_OCR = {"x": (1, 3, 96, 160)}
SUITE = {
    "FastestDet": {},
    "ch_PP-OCRv3_det_infer": PP_OCR,
    "ch_ppocr_mobile_v2.0_cls_infer": {"x": (1, 3, 48, 192)},
    "proxyless_gaze_landmark_detection": {},
    "qonnx_bsd300x3-espcn_nn_resize_float_model": {},
    "qonnx_bsd300x3-espcn_subpixel_float_model": {},
    "qonnx_mnist-conv_model": {},
    "scrfd_500m_kps": {},
    "ultraface_version-RFB-320_simplified": {},
    "yolox_nano": {},
    "yunet_n_dynamic": {"input": (1, 3, 160, 192)},
}
LARGE = {
    "ch_PP-OCRv2_det_infer": PP_OCR,
    "ch_ppocr_mobile_v2.0_det_infer": PP_OCR,
    "ch_ppocr_mobile_v2.0_det_prune_infer": PP_OCR,
    "light_bvlc_alexnet": {},
    "light_densenet121": {},
    "light_inception_v1": {},
    "light_vgg19": {},
    "light_zfnet512": {},
    "scrfd_2.5g_kps": {},
    "ultraface_version-RFB-320": {},
    "ultraface_version-RFB-320_without_postprocessing": {},
    "ultraface_version-RFB-640": {},
    "ultraface_version-slim-320": {},
    "yunet_n_320_320": {},
    "yunet_s_640_640": {},
}


def quantised_network(path: Path, shapes=None, scheme=TFLITE_INT8, target="rpi4-arm") -> Graph:
    """The network at `path` as an integer NHWC graph.

    It returns the scores that a last softmax would get: over hundreds of nearly equal ones LiteRT's
    reference kernel aborts.
    """
    graph = prepare(imported_from(path, shapes or {}), catalog.load(target)).graph
    scores = [
        value.producer.input(0)
        if value.producer is not None and isinstance(value.producer.op, ops.Softmax)
        else value
        for value in graph.outputs
    ]
    graph.set_outputs(scores)
    pipeline_of("dce").run(graph)
    samples = [random_inputs(graph, seed) for seed in range(2)]
    plan = make_plan(graph, collect(graph, samples, float_runner), scheme, MinMax())
    result = apply_plan(graph, plan, scheme)
    set_layout(result, "nhwc")
    return result


def steps_apart(graph: Graph, content: bytes, kernels: str, numerics: Numerics):
    """How far LiteRT's outputs are from ours: in steps for integers, in ulps or so for floats."""
    inputs = random_inputs(graph, seed=3)
    expected = run(graph, inputs, numerics)
    for value, ours, theirs in zip(
        graph.outputs, expected, run_file(content, inputs, kernels), strict=True
    ):
        unit = 1.0 if value.type.dtype.is_integer else 1e-5 * max(np.abs(theirs).max(), 1e-6)
        apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)) / unit
        yield np.floor(apart)


def check(graph: Graph) -> None:
    content = emit_tflite(graph)
    for apart in steps_apart(graph, content, "reference", Numerics.TFLITE_REFERENCE):
        assert not apart.any(), f"{np.count_nonzero(apart)} of {apart.size} values differ"
    if any(value.type.dtype.bits == 16 for value in graph.values()):
        return
    for apart in steps_apart(graph, content, "default", Numerics.TFLITE_XNNPACK):
        assert apart.max() <= 1
        assert np.count_nonzero(apart) <= 0.01 * apart.size


@pytest.mark.parametrize("scheme", [TFLITE_INT8, TFLITE_INT16], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("target", ["rpi4-arm", "host"])
def test_digits(scheme, target):
    check(quantised_network(DIGITS, scheme=scheme, target=target))


@pytest.mark.parametrize("name", TRAINED)
def test_trained(name, shared_data):
    check(quantised_network(shared_data / "models" / "trained" / f"{name}.onnx"))


def test_trained_in_16_bits(shared_data):
    path = shared_data / "models" / "trained" / f"{TRAINED[0]}.onnx"
    check(quantised_network(path, scheme=TFLITE_INT16))


@pytest.mark.parametrize("name", SUITE)
def test_suite(name, shared_data):
    check(quantised_network(shared_data / "models" / "suite" / f"{name}.onnx", SUITE[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large(name, shared_data):
    check(quantised_network(shared_data / "models" / "suite" / f"{name}.onnx", LARGE[name]))
