"""The networks and images that accuracy is judged on."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

import fpc

CALIBRATION_COUNT = 100


def data_root() -> Path:
    """Where networks and images are: `$FPC_DATA`, by default `../shared` beside the repository."""
    default = Path(__file__).parents[2] / ".." / "shared"
    return Path(os.environ.get("FPC_DATA", default)).resolve()


@dataclass(frozen=True)
class Network:
    """A trained classifier, and how its images are preprocessed: (pixel * scale - mean) / std.

    `label_offset` is 1 where the scores begin with a background class.
    """

    name: str
    path: Path
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    bgr: bool = False
    label_offset: int = 0
    cifar: bool = False

    def samples(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """All images as the network takes them (NCHW), and their labels."""
        pixels, labels = _cifar() if self.cifar else _imagenet(self.size)
        values = pixels.astype(np.float32).transpose(0, 3, 1, 2)
        if self.bgr:
            values = values[:, ::-1]
        mean, std = (np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return np.ascontiguousarray((values * np.float32(self.scale) - mean) / std), labels

    @property
    def preprocessing(self) -> fpc.Preprocessing:
        """What `--mean`, `--std`, `--scale`, `--channel-order` say to fpc; arrays are past it."""
        return fpc.Preprocessing(
            mean=self.mean,
            std=self.std,
            scale=self.scale,
            channel_order="bgr" if self.bgr else "rgb",
        )

    def split(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Indices for calibration (100, evenly spread) and for evaluation (all others)."""
        count = 1000 if self.cifar else 500
        calibration = np.arange(0, count, count // CALIBRATION_COUNT)
        return calibration, np.setdiff1d(np.arange(count), calibration)


def _imagenet(size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from PIL import Image

    paths = sorted((data_root() / "data" / "images" / "imagenet").glob("*.jpg"))
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    margin = (pixels.shape[1] - size) // 2
    labels = np.asarray([int(path.name.split("_")[0]) for path in paths])
    return pixels[:, margin : margin + size, margin : margin + size], labels


def _cifar() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    arrays = np.load(data_root() / "data" / "images" / "cifar10_test_1000.npz")
    images = next(arrays[key] for key in arrays.files if arrays[key].ndim == 4)
    labels = next(arrays[key] for key in arrays.files if arrays[key].ndim == 1)
    return images, labels.astype(np.int64)


def with_leaky_relu(path: Path) -> Path:
    """The network with LeakyReLU(0.1) in place of every ReLU6, not retrained, as a temporary file.

    Nothing bounds its activations: it stands for networks whose loss is in the activations. Its
    classes mean little; agreement and SQNR against its own float form mean what they always do.
    """
    model = onnx.load(path)
    for node in model.graph.node:
        if node.op_type in ("Clip", "Relu"):
            leaky = onnx.helper.make_node("LeakyRelu", node.input[:1], node.output, alpha=0.1)
            node.CopyFrom(leaky)
    changed = Path(tempfile.gettempdir()) / f"{path.stem}_leaky.onnx"
    onnx.save(model, changed)
    return changed


def networks() -> tuple[Network, ...]:
    """The four trained networks of the shared data, and one limited by its activations."""
    folder = data_root() / "models" / "trained"
    leaky = with_leaky_relu(folder / "mobilenet_v1_0.25_224_keras_bn.onnx")
    return (
        Network("MobileNetV1 0.25 leaky", leaky, size=224, mean=(127.5,), std=(127.5,)),
        Network(
            "MobileNetV1 0.25",
            folder / "mobilenet_v1_0.25_224_keras_bn.onnx",
            size=224,
            mean=(127.5,),
            std=(127.5,),
        ),
        Network(
            "SqueezeNet 1.1",
            folder / "squeezenet_v1.1_fp16weights.onnx",
            size=227,
            mean=(104.0, 117.0, 123.0),
            bgr=True,
        ),
        Network(
            "MobileNetV2 1.0",
            folder / "mobilenet_v2_1.0_224_dequant_float.onnx",
            size=224,
            mean=(128.0,),
            std=(128.0,),
            label_offset=1,
        ),
        Network(
            "ResNet20 CIFAR",
            folder / "cifar10_resnet20_bn.onnx",
            size=32,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            scale=1 / 255,
            cifar=True,
        ),
    )
