"""Trained networks keep their answers in int8: quantised on real images, run by LiteRT."""

import numpy as np
import pytest

from fpc.driver.phases.lower import exact_tflite_runner, float_runner, tflite_runner
from fpc.driver.phases.prepare import start
from fpc.frontends.onnx import load
from fpc.quant.ladder import climb
from fpc.quant.planning.power_of_two import POWER_OF_TWO_INT8
from fpc.quant.runners import Runners
from fpc.quant.scheme import TFLITE_INT8

RUNNERS = Runners(floating=float_runner, integer=exact_tflite_runner)


def cifar(folder):
    archive = np.load(folder / "data" / "images" / "cifar10_test_1000.npz")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    images = (archive["images"] / 255.0 - mean) / deviation
    return images.transpose(0, 3, 1, 2).astype(np.float32), archive["labels"]


def imagenet(folder, side):
    from PIL import Image

    files = sorted((folder / "data" / "images" / "imagenet").glob("*.jpg"))
    margin = (256 - side) // 2
    order = np.random.default_rng(0).permutation(len(files))[:300]
    crops, labels = [], []
    for index in order:
        pixels = np.asarray(Image.open(files[index]).convert("RGB"))
        crops.append(pixels[margin : margin + side, margin : margin + side])
        labels.append(int(files[index].name[:4]))
    return np.stack(crops).transpose(0, 3, 1, 2), np.array(labels)


def answers(runner, images):
    return np.concatenate([runner((image[None],))[0].reshape(1, -1) for image in images])


def judged(path, images, labels, recipe="auto", scheme=TFLITE_INT8):
    """Drop in points, agreement in percent and SQNR on all images but the first hundred."""
    graph = start(load(path).graph).then("optimise").graph
    samples = [(image[None],) for image in images[:100]]
    outcome = climb(graph, samples, scheme, RUNNERS, recipe=recipe)
    unseen, truth = images[100:], labels[100:]
    wanted = answers(float_runner(graph), unseen)
    given = answers(tflite_runner(outcome.graph), unseen)
    noise = np.square(wanted - given).sum()
    right, still = wanted.argmax(1) == truth, given.argmax(1) == truth
    return (
        100.0 * (right.mean() - still.mean()),
        100.0 * np.mean(wanted.argmax(1) == given.argmax(1)),
        10.0 * np.log10(np.square(wanted).sum() / noise),
    )


def test_resnet20(shared_data):
    images, labels = cifar(shared_data)
    path = shared_data / "models" / "trained" / "cifar10_resnet20_bn.onnx"
    drop, agreement, sqnr_db = judged(path, images, labels)
    assert drop <= 0.5
    assert agreement >= 98.0
    assert sqnr_db >= 28.5


def test_resnet20_by_powers_of_two(shared_data):
    images, labels = cifar(shared_data)
    path = shared_data / "models" / "trained" / "cifar10_resnet20_bn.onnx"
    plain = judged(path, images, labels, "min-max", POWER_OF_TWO_INT8)
    best = judged(path, images, labels, scheme=POWER_OF_TWO_INT8)
    assert best[0] <= 0.5
    assert best[1] >= 97.0
    assert best[2] >= plain[2] + 2.0


@pytest.mark.slow
def test_mobilenet_v1_limited_by_its_weights(shared_data):
    images, labels = imagenet(shared_data, 224)
    images = (images / 127.5 - 1.0).astype(np.float32)
    path = shared_data / "models" / "trained" / "mobilenet_v1_0.25_224_keras_bn.onnx"
    plain = judged(path, images, labels, "min-max")
    best = judged(path, images, labels)
    assert plain[2] < 14.0
    assert best[0] <= 1.5
    assert best[1] >= 89.0
    assert best[2] >= 23.0


@pytest.mark.slow
def test_mobilenet_v1_with_one_scale_a_weight(shared_data):
    images, labels = imagenet(shared_data, 224)
    images = (images / 127.5 - 1.0).astype(np.float32)
    path = shared_data / "models" / "trained" / "mobilenet_v1_0.25_224_keras_bn.onnx"
    plain = judged(path, images, labels, "mse+round", POWER_OF_TWO_INT8)
    best = judged(path, images, labels, scheme=POWER_OF_TWO_INT8)
    assert plain[2] < 8.0
    assert best[0] <= 5.0
    assert best[1] >= 72.0
    assert best[2] >= plain[2] + 6.0
