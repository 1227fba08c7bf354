"""A target's page in the manual, made from its description."""

from __future__ import annotations

from collections.abc import Iterable

from fpc.targets.description import Target
from fpc.targets.rules import describe


def describe_target(target: Target) -> str:
    """The Markdown page of one target: hardware, number formats, where operators run, limits."""
    numbers = target.quantisation
    hardware = target.hardware
    clock = f", {hardware.clock_ghz:g} GHz" if hardware.clock_ghz else ""
    off_path = {name for group in target.off_path for name in group.ops}
    fast = [name for name in numbers.integer_ops if name not in off_path]
    weight_scales = "an output channel" if numbers.per_axis_weights else "a tensor"
    if numbers.per_tensor_ops:
        weight_scales += f" (a tensor for {_listed(numbers.per_tensor_ops)})"
    scale = "power of two" if numbers.power_of_two else "scale"
    lines = [
        f"## {target.name}",
        "",
        f"{target.title}. Best evidence of a latency: {target.evidence}.",
        "",
        (
            f"- Processor: {hardware.processor}{clock}, {hardware.cores} cores; "
            f"{hardware.instruction_set}."
        ),
        *(f"- {note[0].upper()}{note[1:]}." for note in hardware.notes),
        (
            f"- Back end `{target.runtime.backend}`, numerics `{target.runtime.numerics}`; "
            f"the fast path is `{target.runtime.fast_unit}`, everything else runs in "
            f"`{target.runtime.other_unit}`."
        ),
        (
            f"- Activations: {', '.join(numbers.activations)}, one {scale} a tensor. "
            f"Weights: int8, symmetric, one {scale} {weight_scales}."
        ),
        f"- Pipeline: `{target.pipelines.optimise}`, `{target.pipelines.legalise}`.",
        "",
        f"Fast path at int8: {_listed(fast)}.",
        "",
        "| off the fast path | why | what to do |",
        "|---|---|---|",
        *(f"| {_listed(g.ops)} | {g.reason} | {g.remedy} |" for g in target.off_path),
        "",
        "| limit | on | when broken | why | what to do |",
        "|---|---|---|---|---|",
        *(
            f"| {describe(limit.rule, limit.numbers)} | {_listed(limit.ops)} | {limit.effect} | "
            f"{limit.reason} | {limit.remedy} |"
            for limit in target.limits
        ),
        "",
        "Sources: " + "; ".join(target.sources) + ".",
    ]
    return "\n".join(lines)


def manual(targets: Iterable[Target]) -> str:
    """The page `docs/targets.md`."""
    intro = (
        "# Targets\n\n"
        "Generated from `fpc/targets/catalog/*.toml` by `fpc.targets.manual`; edit those files.\n"
    )
    return "\n".join([intro, *(describe_target(target) + "\n" for target in targets)])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
