"""The vocabulary of limits that target descriptions are written in.

A rule's docstring is what the user reads, in a diagnostic and in the manual, with the numbers of
the target filled in.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.targets import value_rules, window_rules
from fpc.targets.rule import Numbers, RuleFunction


@dataclass(frozen=True)
class Violation:
    """A rule a node breaks: the rule in words, and the node's own numbers."""

    rule: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.found})"


RULES: Mapping[str, RuleFunction] = MappingProxyType(
    {
        "depthwise-taps": window_rules.depthwise_taps,
        "kernel-extent": window_rules.kernel_extent,
        "stride": window_rules.stride,
        "undilated": window_rules.undilated,
        "ungrouped-transpose": window_rules.ungrouped_transpose,
        "pool-stride-within-kernel": window_rules.pool_stride_within_kernel,
        "depthwise-rows": window_rules.depthwise_rows,
        "depth-multiplier": window_rules.depth_multiplier,
        "ungrouped-convolution": window_rules.ungrouped_convolution,
        "dilated-depthwise-only": window_rules.dilated_depthwise_only,
        "max-pool-padding": window_rules.max_pool_padding,
        "convolution-kernel": window_rules.convolution_kernel,
        "convolution-stride": window_rules.convolution_stride,
        "weight-bank": window_rules.weight_bank,
        "output-channels": window_rules.output_channels,
        "global-window": window_rules.global_window,
        "leading-padding": window_rules.leading_padding,
        "rank": value_rules.rank,
        "leaky-slope": value_rules.leaky_slope,
        "concat-operands": value_rules.concat_operands,
        "whole-nearest-factor": value_rules.whole_nearest_factor,
        "repeated-pixels": value_rules.repeated_pixels,
        "zero-padding": value_rules.zero_padding,
        "no-fused-activation": value_rules.no_fused_activation,
        "zero-constant-padding": value_rules.zero_constant_padding,
        "bilinear-extent": value_rules.bilinear_extent,
        "bilinear-coordinates": value_rules.bilinear_coordinates,
        "rows-and-features": value_rules.rows_and_features,
        "one-weight-scale": value_rules.one_weight_scale,
        "equal-shapes": value_rules.equal_shapes,
        "fused-relu-only": value_rules.fused_relu_only,
        "fused-relu-or-relu6": value_rules.fused_relu_or_relu6,
        "spatial-mean": value_rules.spatial_mean,
    }
)


def describe(rule: str, numbers: Numbers) -> str:
    """The rule called `rule` in words, with `numbers` filled in."""
    text = inspect.getdoc(RULES[rule]) or rule
    return text.splitlines()[0].format(**numbers)


def judge(rule: str, node: Node[Op], numbers: Numbers) -> Violation | None:
    """How `node` breaks the rule called `rule`, None when it keeps it."""
    found = RULES[rule](node, numbers)
    return None if found is None else Violation(describe(rule, numbers), found)
