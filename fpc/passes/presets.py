"""Pipelines with a name, as the text that `fpc.rewrite.spec` reads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from fpc.passes.manifest import MANIFEST
from fpc.rewrite.pipeline import Pipeline
from fpc.rewrite.spec import parse_pipeline

_SIMPLIFY = "fold-constants,canonicalise,drop-identity,simplify-shape,cse"
_FOLD = "fold-space-to-depth,fold-scale-and-bias,fold-batch-norm,fold-scale-and-bias,fuse-pad"

PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "simplify": f"{_SIMPLIFY},dce",
        "optimise": f"{_SIMPLIFY},recover-activations,{_FOLD},{_SIMPLIFY},fuse-activation,dce",
        "nhwc": "set-layout{layout=nhwc},simplify-shape,drop-identity,dce",
    }
)
"""Name -> pipeline text. `simplify` suits quantised graphs too."""


@cache
def pipeline_of(text: str) -> Pipeline:
    """The pipeline that `text` names; a preset's name stands for its passes."""
    return Pipeline(parse_pipeline(PRESETS.get(text, text), MANIFEST))
