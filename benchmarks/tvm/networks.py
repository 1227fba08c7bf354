"""The networks that TVM is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

import fpc
from fpc.zoo import catalog

NETWORKS: Mapping[str, str] = MappingProxyType(
    {
        "MobileNetV2": "mobilenet_v2",
        "MobileNetV3-large": "mobilenet_v3_large",
        "MobileNetV3-large ReLU": "mobilenet_v3_large_minimalistic",
        "EfficientNet-Lite0": "efficientnet_lite0",
        "FasterNet-T0": "fasternet_t0",
        "SqueezeNet 1.1": "squeezenet_1_1",
    }
)


def artifact(name: str, backend: Literal["tflite", "tvm"], target: str) -> bytes:
    """A network in int8, ranges from noise: values do not change the time."""
    network = catalog.build(NETWORKS[name], seed=0)
    random = np.random.default_rng(0)
    shape = network.inputs[0].type.shape
    noise = [random.standard_normal(shape).astype(np.float32) for _ in range(3)]
    return fpc.compile(
        network,
        target=target,
        backend=backend,
        precision="int8",
        calibration=noise,
        recipe="min-max",
        allow_degraded=True,
    ).model
