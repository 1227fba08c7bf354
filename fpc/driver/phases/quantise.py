"""From an optimised float graph to an integer one: samples, ladder, guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fpc.diagnostics.errors import QuantError
from fpc.diagnostics.location import Location
from fpc.diagnostics.progress import Progress
from fpc.driver.options import CompileOptions, Precision
from fpc.driver.phases.lower import exact_runner, float_runner
from fpc.frontends.samples import Preprocessing, load_samples
from fpc.interp.runner import Samples
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Value
from fpc.ir.ops import OPS_BY_MNEMONIC
from fpc.quant.analysis.placement import integer_nodes
from fpc.quant.calibration.distribution import Distribution
from fpc.quant.data_free.expected_ranges import expected_ranges, widen
from fpc.quant.data_free.normalisation import Normalisation
from fpc.quant.data_free.synthetic_samples import SyntheticSamples, synthetic_samples
from fpc.quant.ladder import Outcome, as_seen, climb
from fpc.quant.planning.power_of_two import POWER_OF_TWO_INT8
from fpc.quant.quality.verdict import LayerQuality, Quality
from fpc.quant.runners import Runners
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16, TVM_INT16, Scheme
from fpc.quant.workbench import Adjust
from fpc.report.schema import LayerPart, QualityPart, QuantisationPart, RungPart
from fpc.targets.description import Target

_DATA_FREE = "synthetic images (no data given)"
_NAMED_LAYERS = 3
_FEW_BITS = 5
_INT16_OF_BACKEND = MappingProxyType({"tflite": TFLITE_INT16, "tvm": TVM_INT16})
"""The format of TensorFlow Lite demands int8 weights; kernels of fpc's own take wider ones."""


@dataclass(frozen=True)
class Quantised:
    """An integer NCHW graph, the float graph it was made from, and the account of how."""

    graph: Graph
    float_graph: Graph
    part: QuantisationPart
    notes: tuple[str, ...] = ()


def quantise(
    source: Graph,
    graph: Graph,
    target: Target,
    options: CompileOptions,
    preprocessing: Preprocessing,
    progress: Progress,
) -> Quantised:
    """Quantise `graph`, the optimised and legalised form of `source`, for `target`.

    `QuantError` (`quant.degraded`) when the best network found is poor and that is not allowed.
    """
    scheme = scheme_for(target, options.precision)
    if not integer_nodes(graph, scheme):
        raise QuantError(
            "nothing-to-quantise",
            f"no operator of this network has an integer form on {target.name}",
            help="`fpc check` lists where every operator runs; leave --int8 out for a float model",
        )
    samples, origin, adjust = _samples(source, graph, options, preprocessing)
    outcome = climb(
        graph,
        samples,
        scheme,
        Runners(floating=float_runner, integer=exact_runner(scheme)),
        recipe=options.recipe,
        adjust=adjust,
        progress=progress,
    )
    notes = list(outcome.warnings)
    if options.calibration is None:
        notes.append(
            "quantised without data: ranges come from synthetic images and batch norms. Give "
            "--calib with about a hundred typical images for a result to rely on"
        )
    if isinstance(samples, SyntheticSamples) and isinstance(samples.prepare, Normalisation):
        notes.append(
            f"no preprocessing was given: inputs were taken to be {samples.prepare}, as the "
            "network's own numbers suggest. Say with --mean, --std and --scale what they are"
        )
    if outcome.quality.is_poor:
        remedy = _remedy(scheme, target, options.precision)
        problem = _poor(outcome, scheme, remedy)
        if not options.allow_degraded:
            raise problem
        notes.append(f"{problem.message}; accepted by --allow-degraded")
        notes += [*problem.notes, f"to do better: {remedy}"]
    return Quantised(
        outcome.graph,
        outcome.float_graph,
        _part(outcome, scheme, origin, len(samples)),
        tuple(notes),
    )


def scheme_for(target: Target, precision: Precision) -> Scheme:
    """The number formats of `target`, for the operators that it has integers for."""
    wide = precision is Precision.INT16
    numbers = target.quantisation
    if wide:
        base = _INT16_OF_BACKEND[target.runtime.backend]
    else:
        base = POWER_OF_TWO_INT8 if numbers.power_of_two else TFLITE_INT8
    names = numbers.int16_ops if wide else numbers.integer_ops
    scheme = base.restricted_to(frozenset(OPS_BY_MNEMONIC[name] for name in names))
    return replace(
        scheme,
        per_tensor_ops=base.per_tensor_ops
        | frozenset(OPS_BY_MNEMONIC[name] for name in numbers.per_tensor_ops),
    )


def _samples(
    source: Graph, graph: Graph, options: CompileOptions, preprocessing: Preprocessing
) -> tuple[Samples, str, Adjust]:
    if options.calibration is not None:
        samples = load_samples(
            options.calibration, graph, preprocessing, limit=options.calibration_limit
        )
        return samples, samples.origin, as_seen
    promised = expected_ranges(source)

    def widened(
        observed: Graph, statistics: Mapping[Value, Distribution]
    ) -> Mapping[Value, Distribution]:
        return widen(observed, statistics, promised)

    if preprocessing.is_identity and not options.image_input:
        return synthetic_samples(source, make_runner=float_runner), _DATA_FREE, widened

    def prepare(pixels: NDArray[np.uint8]) -> Array:
        return preprocessing.normalise(pixels.transpose(2, 0, 1))

    return synthetic_samples(graph, prepare), _DATA_FREE, widened


def _poor(outcome: Outcome, scheme: Scheme, remedy: str) -> QuantError:
    worst = outcome.quality.worst_layers(_NAMED_LAYERS)
    return QuantError(
        "degraded",
        f"the best {scheme.name} network found ({outcome.recipe}) is "
        f"{outcome.quality.verdict.value}: " + "; ".join(outcome.quality.reasons),
        location=Location().merge(*(layer.location for layer in worst)),
        notes=[_about_layer(layer) for layer in worst],
        help=f"{remedy}; --allow-degraded accepts the network as it is",
    )


def _about_layer(layer: LayerQuality) -> str:
    parts = [f"layer {layer.location or layer.name} ({layer.op}): {layer.sqnr_db:z.1f} dB"]
    if layer.own_sqnr_db is not None:
        parts.append(f"by itself {layer.own_sqnr_db:z.1f} dB")
    if layer.weight_bits is not None and layer.weight_bits <= _FEW_BITS:
        parts.append(f"half of its filters have {layer.weight_bits} bits or fewer")
    return ", ".join(parts)


def offers_int16(target: Target, precision: Precision) -> bool:
    """Whether a network of `precision` can have int16 on `target` instead."""
    return precision is Precision.INT8 and bool(target.quantisation.int16_ops)


def _remedy(scheme: Scheme, target: Target, precision: Precision) -> str:
    """What a user can do about a poor network."""
    calibrate = (
        "more or more typical calibration images help most (check --mean, --std and "
        "--channel-order first: wrong preprocessing looks just like this)"
    )
    if offers_int16(target, precision):
        return f"{calibrate}; --int16 keeps more precision"
    if precision is Precision.INT16:
        return calibrate
    shared = "one scale a weight" if scheme.has_per_tensor_convolutions else "int8"
    return (
        f"{calibrate}; {target.name} has {shared} and no int16, so train the layers named above "
        "again with quantisation simulated, or compile for a target with more precision"
    )


def _part(outcome: Outcome, scheme: Scheme, origin: str, samples: int) -> QuantisationPart:
    return QuantisationPart(
        scheme=scheme.name,
        calibration=origin,
        calibration_samples=samples,
        recipe=outcome.recipe,
        quality=_quality(outcome.quality),
        rungs=tuple(
            RungPart(
                recipe=rung.recipe,
                quality=None if rung.quality is None else _quality(rung.quality),
                note=rung.note,
                duration_ms=rung.duration_ms,
            )
            for rung in outcome.rungs
        ),
        layers=tuple(
            LayerPart(
                name=str(layer.location) if layer.location else layer.name,
                op=layer.op,
                sqnr_db=layer.sqnr_db,
                cosine=layer.cosine,
                own_sqnr_db=layer.own_sqnr_db,
                weight_bits=layer.weight_bits,
            )
            for layer in outcome.quality.layers
        ),
        warnings=outcome.warnings,
    )


def _quality(quality: Quality) -> QualityPart:
    return QualityPart(
        verdict=quality.verdict.value,
        samples=quality.samples,
        sqnr_db=quality.sqnr_db,
        cosine=quality.cosine,
        agreement=quality.agreement,
        reasons=quality.reasons,
    )
