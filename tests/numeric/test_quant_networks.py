"""A trained MobileNetV1 in int8, with data and without, against its float outputs in LiteRT."""

import numpy as np
import pytest
from PIL import Image

from fpc.driver.phases.lower import exact_tflite_runner, float_runner, tflite_runner
from fpc.driver.phases.prepare import Pipeline, Stage
from fpc.frontends.onnx import load
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.data_free.expected_ranges import expected_ranges, widen
from fpc.quant.data_free.normalisation import estimate_normalisation
from fpc.quant.data_free.synthetic_samples import synthetic_samples
from fpc.quant.ladder import climb
from fpc.quant.plan import make_plan
from fpc.quant.runners import Runners
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16

pytestmark = pytest.mark.slow

RUNNERS = Runners(floating=float_runner, integer=exact_tflite_runner)
BIAS_CORRECTED = "min-max+bias-correct"


def planes(pixels):
    """The network's preprocessing: RGB pixels [height, width, 3] to [3, height, width]."""
    return (pixels / np.float32(127.5) - 1).astype(np.float32).transpose(2, 0, 1)


@pytest.fixture(scope="module")
def network(shared_data):
    """The imported graph, which has batch norms, and its optimised form, which has none."""
    path = shared_data / "models" / "trained" / "mobilenet_v1_0.25_224_keras_bn.onnx"
    source = load(path, input_shapes={}).graph
    return source, Stage(source, Pipeline(()), ()).then("optimise").then("legalise").graph


@pytest.fixture(scope="module")
def images(shared_data):
    """Every fifth image is for calibration, others for judging: two lists of samples."""
    found = []
    for path in sorted((shared_data / "data" / "images" / "imagenet").glob("*.jpg"))[:200]:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))[16:240, 16:240]
        found.append((planes(pixels)[None],))
    return found[::5], [sample for index, sample in enumerate(found) if index % 5]


@pytest.fixture(scope="module")
def expected(network, images):
    run = float_runner(network[1])
    return np.concatenate([run(sample)[0].reshape(1, -1) for sample in images[1]])


def judge(graph, images, expected):
    """Agreement of the top class in %, and the SQNR of the logits in dB."""
    run = tflite_runner(graph)
    got = np.concatenate([run(sample)[0].reshape(1, -1) for sample in images[1]])
    noise = np.square(expected - got).sum()
    agreement = 100 * (expected.argmax(axis=1) == got.argmax(axis=1)).mean()
    return agreement, 10 * np.log10(np.square(expected).sum() / noise)


@pytest.fixture(scope="module")
def calibrated(network, images, expected):
    outcome = climb(network[1], images[0], TFLITE_INT8, RUNNERS, recipe=BIAS_CORRECTED)
    return judge(outcome.graph, images, expected)


def test_bias_correction_cures_the_weights(calibrated):
    agreement, sqnr_db = calibrated
    assert agreement >= 85
    assert sqnr_db >= 20


@pytest.mark.parametrize("prepare", [planes, None], ids=["known", "estimated"])
def test_without_data_little_is_lost(network, images, expected, calibrated, prepare):
    source, graph = network
    promised = expected_ranges(source)
    outcome = climb(
        graph,
        synthetic_samples(source, prepare, count=40),
        TFLITE_INT8,
        RUNNERS,
        recipe=BIAS_CORRECTED,
        adjust=lambda observed, statistics: widen(observed, statistics, promised),
    )
    agreement, sqnr_db = judge(outcome.graph, images, expected)
    assert agreement >= calibrated[0] - 6
    assert sqnr_db >= calibrated[1] - 3


def test_the_normalisation_is_that_of_training(network):
    found = estimate_normalisation(network[0])
    assert found.scale == pytest.approx(2.0, rel=0.15)
    assert found.offset == pytest.approx((-1.0, -1.0, -1.0), abs=0.25)


def test_int16_activations_leave_the_weights_error(network, images, expected):
    graph = network[1]
    statistics = collect(graph, images[0][:8], float_runner)
    few = images[0], images[1][:20]
    results = [
        judge(
            apply_plan(graph, make_plan(graph, statistics, scheme, MinMax()), scheme),
            few,
            expected[:20],
        )[1]
        for scheme in (TFLITE_INT8, TFLITE_INT16)
    ]
    assert results[1] > results[0]
