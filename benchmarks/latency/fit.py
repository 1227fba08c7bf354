"""Fits the cost models that fpc ships: `python -m benchmarks.latency.fit` writes their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from fpc.costmodel.cpu_features import CPU
from fpc.costmodel.dpu_features import DPU
from fpc.costmodel.features import FeatureFamily
from fpc.costmodel.model import Condition, CostModel, Provenance

_PI4 = "Raspberry Pi 4 (Cortex-A72)"
_FOX_NAS = "FOX-NAS repository, pixel 4 / Raspberry Pi 4 table; TFLite version and thread inferred"
_ACCEL_NASBENCH = "Accel-NASBench (Ahmad et al. 2024, Apache-2.0)"
_MLPERF = "MLPerf Inference edge results, SingleStream p50 (MLCommons, Apache-2.0), system "


@dataclass(frozen=True)
class Source:
    """One shipped cost model and the rows it is fitted on."""

    file: str
    target: str
    condition: Condition
    features: FeatureFamily
    rows: Callable[[], Iterator[Row]]
    networks: str
    source: str
    is_default: bool = False

    def fitted(self) -> CostModel:
        """The cost model."""
        return CostModel.fitted(
            self.target,
            self.condition,
            self.features,
            networks(self.rows())[1],
            Provenance(
                source=self.source,
                evidence="replayed",
                rows=0,
                networks=self.networks,
                date="2026-11-21",
                mape_percent=0.0,
            ),
            is_default=self.is_default,
        )


def _mlperf(file: str, system: str, runtime: str, *, quantised: bool) -> Source:
    precision = "int8" if quantised else "float32"
    return Source(
        f"rpi4-arm-{file}-{precision}",
        "rpi4-arm",
        Condition(device=_PI4, runtime=runtime, precision=precision),
        CPU,
        partial(mlperf, system, quantised=quantised),
        "MobileNets V1 and V2",
        _MLPERF + system,
    )


SOURCES = (
    Source(
        "rpi4-arm-tflite-2.1-int8",
        "rpi4-arm",
        Condition(device=_PI4, runtime="TFLite 2.1", threads=1),
        CPU,
        fox_nas_rpi4,
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
        partial(accel_nasbench_fpga, "zcu102"),
        "MnasNet-space networks at 224 px",
        _ACCEL_NASBENCH,
        is_default=True,
    ),
    Source(
        "fpga-vck190-int8",
        "fpga",
        Condition(device="VCK190, DPUCVDX8G", runtime="Vitis AI, batch 6", threads=1),
        DPU,
        partial(accel_nasbench_fpga, "vck190"),
        "MnasNet-space networks at 224 px",
        _ACCEL_NASBENCH,
    ),
)


def main() -> None:
    """Write every file."""
    folder = Path(str(files("fpc.costmodel") / "coefficients"))
    for source in SOURCES:
        model = source.fitted()
        (folder / f"{source.file}.json").write_text(model.to_json())
        origin = model.provenance
        print(f"{source.file}: {origin.rows} rows, 5-fold MAPE {origin.mape_percent:.2f} %")


if __name__ == "__main__":
    main()
