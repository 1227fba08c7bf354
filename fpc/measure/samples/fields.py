"""A sample as plain values by name: what every table of samples has columns for."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from fpc.measure.protocol import Condition, Timing
from fpc.measure.samples.sample import Sample

UNREADABLE = (ValueError, TypeError, zlib.error)
"""What `sample_of_fields` raises for values of which there is no sample."""


def fields_of_sample(sample: Sample) -> dict[str, Any]:
    """The values of a sample; the median is that of its runs, the graph is compressed by zlib."""
    timing = sample.timing
    condition = timing.condition
    return {
        "name": timing.name,
        "model_sha256": timing.model_sha256,
        "device": condition.device,
        "runtime": condition.runtime,
        "threads": condition.threads,
        "workers": condition.workers,
        "precision": timing.precision,
        "multiply_adds": sample.multiply_adds,
        "median": timing.median,
        "unit": timing.unit,
        "evidence": timing.evidence,
        "frames_per_second": timing.frames_per_second,
        "date": timing.date,
        "fpc": sample.fpc,
        "runs": timing.runs,
        "graph": zlib.compress(sample.graph.encode(), 9) if sample.graph else b"",
    }


def sample_of_fields(fields: Mapping[str, Any]) -> Sample:
    """The sample of these values, which may still be impossible: see `require_consistent`."""
    timing = Timing(
        name=fields["name"],
        model_sha256=fields["model_sha256"],
        precision=fields["precision"],
        runs=tuple(map(float, fields["runs"])),
        unit=fields["unit"],
        evidence=fields["evidence"],
        condition=Condition(
            fields["device"], fields["runtime"], fields["threads"], fields["workers"]
        ),
        date=fields["date"],
        frames_per_second=fields["frames_per_second"],
    )
    if timing.runs and fields["median"] != timing.median:
        raise ValueError(f"its median is {fields['median']:g}, that of its runs {timing.median:g}")
    graph = zlib.decompress(fields["graph"]).decode() if fields["graph"] else ""
    return Sample(timing, fields["fpc"], fields["multiply_adds"], graph)
