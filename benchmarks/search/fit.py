"""Fits the accuracy regressions that fpc ships: `python -m benchmarks.search.fit` writes them."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

import numpy as np

from benchmarks.search.datasets import accel_nasbench, fox_nas, mobilenets_by_resolution
from fpc.search import catalog
from fpc.search.accuracy.design import rounded
from fpc.search.accuracy.fit import fit_accuracy
from fpc.search.accuracy.model import AccuracyModel, Provenance
from fpc.search.accuracy.resolution import ResolutionEffect
from fpc.search.space.choices import choices_of


def fitted_fox_nas() -> AccuracyModel:
    """Quantised ImageNet accuracy of FOX-NAS subnets."""
    space = catalog.load("fox-nas")
    rows = ((subnet, top1) for subnet, top1, _ in fox_nas())
    origin = _origin("FOX-NAS repository, 256 px table", "ImageNet top-1 of quantised subnets")
    return fit_accuracy(space, choices_of(space), rows, origin)


def fitted_mnasnet() -> AccuracyModel:
    """Accel-NASBench's proxy accuracy."""
    space = catalog.load("mnasnet")
    rows = ((subnet, top1) for subnet, top1, _ in accel_nasbench())
    origin = _origin(
        "Accel-NASBench (Ahmad et al. 2024, Apache-2.0)",
        "ImageNet top-1 after a short training (the benchmark's proxy), float",
    )
    return fit_accuracy(space, choices_of(space), rows, origin)


def fitted_resolution() -> ResolutionEffect:
    """How the error of int8 MobileNets follows resolution, relative to 224 pixels."""
    networks = mobilenets_by_resolution()
    points = [
        (math.log2(224.0 / resolution), math.log((100.0 - top1) / (100.0 - tops[224])))
        for tops in networks.values()
        for resolution, top1 in tops.items()
        if resolution != 224
    ]
    t, ratio = np.array(points).T
    powers = np.stack([t, t * t], axis=1)
    weights = np.linalg.lstsq(powers, ratio, rcond=None)[0]
    off = np.sort(np.abs(powers @ weights - ratio) / t)
    resolutions = {resolution for tops in networks.values() for resolution in tops}
    return ResolutionEffect(
        slope=rounded(float(weights[0])),
        curvature=rounded(float(weights[1])),
        half_width=rounded(float(np.quantile(off, 0.9, method="higher"))),
        least=min(resolutions),
        most=max(resolutions),
        source=f"{len(networks)} int8 MobileNets V1 and V2 (MLPerf Inference, MLCommons)",
    )


def _origin(source: str, what: str) -> Provenance:
    return Provenance(
        source=source,
        evidence="replayed",
        rows=0,
        what=what,
        date="2026-11-21",
        rmse_points=0.0,
        mape_percent=0.0,
        spearman=0.0,
    )


def main() -> None:
    """Write every file."""
    folder = Path(str(files("fpc.search") / "coefficients"))
    for model in (fitted_fox_nas(), fitted_mnasnet()):
        (folder / f"{model.space}.json").write_text(model.to_json())
        origin = model.provenance
        print(
            f"{model.space}: {origin.rows} rows, 5-fold RMSE {origin.rmse_points:.3f} points, "
            f"MAPE {origin.mape_percent:.2f} %, Spearman {origin.spearman:.4f}"
        )
    effect = fitted_resolution()
    (folder / "resolution.json").write_text(effect.model_dump_json(indent=1) + "\n")
    print(f"resolution: {effect}")


if __name__ == "__main__":
    main()
