"""Real networks, as five exporters wrote them, compute in fpc what they compute in onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from fpc.backends.onnx.runner import onnxruntime_runner
from fpc.frontends.onnx import load
from fpc.interp.executor import run
from fpc.interp.runner import Runner, RunnerFactory
from fpc.ir.graph import Graph

TOLERANCE = 1e-4
SMALLEST_RANGE = 1e-2  # a detector that sees nothing in noise gives numbers around 1e-7
DYNAMIC = {
    "ch_PP-OCRv2_det_infer": {"x": (1, 3, 320, 320)},
    "ch_PP-OCRv3_det_infer": {"x": (1, 3, 320, 320)},
    "ch_ppocr_mobile_v2.0_cls_infer": {"x": (1, 3, 320, 320)},
    "ch_ppocr_mobile_v2.0_det_infer": {"x": (1, 3, 320, 320)},
    "ch_ppocr_mobile_v2.0_det_prune_infer": {"x": (1, 3, 320, 320)},
    "yunet_n_dynamic": {"input": (1, 3, 320, 320)},
}
SUITE = (
    *DYNAMIC,
    "FastestDet",
    "light_densenet121",
    "light_inception_v1",
    "proxyless_gaze_landmark_detection",
    "qonnx_bsd300x3-espcn_nn_resize_float_model",
    "qonnx_bsd300x3-espcn_subpixel_float_model",
    "qonnx_mnist-conv_model",
    "scrfd_2.5g_kps",
    "scrfd_500m_kps",
    "ultraface_version-RFB-320",
    "ultraface_version-RFB-320_simplified",
    "ultraface_version-RFB-320_without_postprocessing",
    "ultraface_version-RFB-640",
    "ultraface_version-slim-320",
    "yolox_nano",
    "yunet_n_320_320",
    "yunet_s_640_640",
)
LARGE = ("light_bvlc_alexnet", "light_vgg19", "light_zfnet512")
TRAINED = (
    "cifar10_resnet20_bn",
    "mobilenet_v1_0.25_224_keras_bn",
    "mobilenet_v2_1.0_224_dequant_float",
    "squeezenet_v1.1_fp16weights",
)


def check(path: Path, engines: tuple[RunnerFactory, ...]) -> None:
    imported = load(path, input_shapes=DYNAMIC.get(path.stem, {}), simplify=False)
    generator = np.random.default_rng(0)
    arrays = [
        generator.standard_normal(value.type.shape).astype(np.float32)
        for value in imported.graph.inputs
    ]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = dict(zip(imported.input_names, arrays, strict=True))
    expected = session.run(list(imported.output_names), feeds)
    del session

    for engine in engines:
        results = engine(imported.graph)(arrays)
        for name, got, wanted in zip(imported.output_names, results, expected, strict=True):
            assert got.shape == wanted.shape, name
            error = np.abs(got - wanted).max() / max(np.ptp(wanted), SMALLEST_RANGE)
            assert error <= TOLERANCE, name


def numpy_runner(graph: Graph) -> Runner:
    return lambda arrays: run(graph, arrays)


@pytest.mark.parametrize("name", SUITE)
def test_public_network(name: str, shared_data: Path) -> None:
    check(shared_data / "models" / "suite" / f"{name}.onnx", (onnxruntime_runner, numpy_runner))


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_public_network_of_half_a_gigabyte(name: str, shared_data: Path) -> None:
    check(shared_data / "models" / "suite" / f"{name}.onnx", (onnxruntime_runner,))


@pytest.mark.parametrize("name", TRAINED)
def test_trained_network(name: str, shared_data: Path) -> None:
    check(shared_data / "models" / "trained" / f"{name}.onnx", (onnxruntime_runner, numpy_runner))


def test_every_file_of_the_suite_is_tested(shared_data: Path) -> None:
    files = {path.stem for path in (shared_data / "models" / "suite").glob("*.onnx")}

    assert files == {*SUITE, *LARGE}


def test_a_shape_per_size(shared_data: Path) -> None:
    path = shared_data / "models" / "suite" / "yunet_n_dynamic.onnx"

    graph = load(path, input_shapes={"input": (1, 3, 192, 256)}).graph

    assert graph.outputs[0].type.shape == (1, 192 * 256 // 64, 1)
