"""The networks that TVM is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import fpc
from fpc.api import PrecisionName
from fpc.driver.compile import Compiled
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
_SAMPLES = 3


def float_network(name: str) -> fpc.Graph:
    """A network in float32."""
    return catalog.build(NETWORKS[name], seed=0)


def noise(network: fpc.Graph) -> NDArray[np.float32]:
    """Samples [sample, *shape] of its input. Values do not change the time: noise will do."""
    shape = network.inputs[0].type.shape
    return np.random.default_rng(0).standard_normal((_SAMPLES, *shape)).astype(np.float32)


def compiled(
    name: str, backend: Literal["tflite", "tvm"], target: str, precision: PrecisionName = "int8"
) -> Compiled:
    """A network compiled."""
    network = float_network(name)
    is_float = precision == "float32"
    return fpc.compile(
        network,
        target=target,
        backend=backend,
        precision=precision,
        calibration=None if is_float else list(noise(network)),
        recipe="min-max",
        allow_degraded=True,
    )


def artifact(
    name: str, backend: Literal["tflite", "tvm"], target: str, precision: PrecisionName = "int8"
) -> bytes:
    """What runs of a compiled network."""
    return compiled(name, backend, target, precision).model
