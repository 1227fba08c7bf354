"""Fits the cost models that fpc ships: `python -m benchmarks.latency.fit` writes their files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

from benchmarks.latency.datasets import (
    Row,
    accel_nasbench_fpga,
    fox_nas_rpi4,
    mlperf,
    networks,
)
from benchmarks.latency.latbench import Processor, latbench
from fpc.costmodel.cpu_features import CPU
from fpc.costmodel.dpu_features import DPU
from fpc.costmodel.features import FeatureFamily
from fpc.costmodel.hvx_features import HVX
from fpc.costmodel.model import Condition, CostModel, Provenance
from fpc.costmodel.networks import Networks

_PI4 = "Raspberry Pi 4 (Cortex-A72)"
_FOX_NAS = "FOX-NAS repository, pixel 4 / Raspberry Pi 4 table; TFLite version and thread inferred"
_ACCEL_NASBENCH = "Accel-NASBench (Ahmad et al. 2024, Apache-2.0)"
_LATBENCH = "LatBench (BRP-NAS, Dudziak et al. 2020)"
_NAS_BENCH_201 = "NAS-Bench-201 networks at 32 px"
_MLPERF = "MLPerf Inference edge results, SingleStream p50 (MLCommons, Apache-2.0), system "


@dataclass(frozen=True)
class Source:
    """One shipped cost model and the rows it is fitted on."""

    file: str
    target: str
    condition: Condition
    features: FeatureFamily
    rows: Callable[[], Networks]
    networks: str
    source: str
    is_default: bool = False
    responds: bool = False

    def fitted(self) -> CostModel:
        """The cost model."""
        return CostModel.fitted(
            self.target,
            self.condition,
            self.features,
            self.rows(),
            Provenance(
                source=self.source,
                evidence="replayed",
                rows=0,
                networks=self.networks,
                date="2026-11-21",
                mape_percent=0.0,
            ),
            is_default=self.is_default,
            responds=self.responds,
        )


def _graphs(rows: Callable[[], Iterator[Row]]) -> Callable[[], Networks]:
    return lambda: networks(rows())[1]


def _latbench(processor: Processor) -> Networks:
    return latbench(processor)[1]


def _mlperf(file: str, system: str, runtime: str, *, quantised: bool) -> Source:
    precision = "int8" if quantised else "float32"
    return Source(
        f"rpi4-arm-{file}-{precision}",
        "rpi4-arm",
        Condition(device=_PI4, runtime=runtime, precision=precision),
        CPU,
        _graphs(partial(mlperf, system, quantised=quantised)),
        "MobileNets V1 and V2",
        _MLPERF + system,
    )


SOURCES = (
    Source(
        "rpi4-arm-tflite-2.1-int8",
        "rpi4-arm",
        Condition(device=_PI4, runtime="TFLite 2.1", threads=1),
        CPU,
        _graphs(fox_nas_rpi4),
        "OFA-MobileNetV3 subnets with ReLU6 at 256 px",
        _FOX_NAS,
        is_default=True,
    ),
    *(
        _mlperf(file, system, runtime, quantised=quantised)
        for file, system, runtime in (
            ("tflite-2.7.1", "rpi4-tflite-v2.7.1-ruy", "TFLite 2.7.1 ruy"),
            ("tflite-2.5", "rpi4coral-fan.on-tflite-v2.5.0-ruy", "TFLite 2.5.0 ruy"),
            ("armnn-21.11", "rpi4-armnn-v21.11-neon", "ArmNN 21.11 NEON"),
        )
        for quantised in (True, False)
    ),
    Source(
        "fpga-zcu102-int8",
        "fpga",
        Condition(device="ZCU102, DPUCZDX8G B4096", runtime="Vitis AI, batch 1", threads=1),
        DPU,
        _graphs(partial(accel_nasbench_fpga, "zcu102")),
        "MnasNet-space networks at 224 px",
        _ACCEL_NASBENCH,
        is_default=True,
    ),
    Source(
        "fpga-vck190-int8",
        "fpga",
        Condition(device="VCK190, DPUCVDX8G", runtime="Vitis AI, batch 6", threads=1),
        DPU,
        _graphs(partial(accel_nasbench_fpga, "vck190")),
        "MnasNet-space networks at 224 px",
        _ACCEL_NASBENCH,
    ),
    Source(
        "dsp-hexagon-690-int8",
        "dsp",
        Condition(device="Hexagon 690 (Snapdragon 855)", runtime="runtime not stated"),
        HVX,
        partial(_latbench, "hexagon690"),
        _NAS_BENCH_201,
        _LATBENCH,
        is_default=True,
        responds=True,
    ),
    Source(
        "sd855-cpu-kryo-485-int8",
        "sd855-cpu",
        Condition(device="Kryo 485 (Snapdragon 855)", runtime="runtime not stated"),
        CPU,
        partial(_latbench, "kryo485"),
        _NAS_BENCH_201,
        _LATBENCH,
        is_default=True,
        responds=True,
    ),
)


def main(names: Sequence[str]) -> None:
    """Write every file, or those of `names`."""
    folder = Path(str(files("fpc.costmodel") / "coefficients"))
    for source in SOURCES:
        if names and source.file not in names:
            continue
        model = source.fitted()
        (folder / f"{source.file}.json").write_text(model.to_json())
        origin = model.provenance
        print(f"{source.file}: {origin.rows} rows, 5-fold MAPE {origin.mape_percent:.2f} %")


if __name__ == "__main__":
    main(sys.argv[1:])
