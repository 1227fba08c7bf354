"""Every pass by name, imported only when a pipeline asks for it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from fpc.rewrite.passes import Pass
from fpc.rewrite.spec import PassLoader


def _loader(module: str, class_name: str) -> PassLoader:
    def load() -> type[Pass]:
        return cast("type[Pass]", getattr(importlib.import_module(module), class_name))

    return load


_CLASSES = MappingProxyType(
    {
        "canonicalise": "Canonicalise",
        "cse": "CommonSubexpressionElimination",
        "dce": "DeadCodeElimination",
        "drop-identity": "DropIdentity",
        "fold-batch-norm": "FoldBatchNorm",
        "fold-constants": "FoldConstants",
        "fold-scale-and-bias": "FoldScaleAndBias",
        "fold-space-to-depth": "FoldSpaceToDepth",
        "fuse-activation": "FuseActivation",
        "fuse-pad": "FusePad",
        "image-input": "ImageInput",
        "legalise": "Legalise",
        "recover-activations": "RecoverActivations",
        "set-io": "SetIo",
        "set-layout": "SetLayout",
        "simplify-shape": "SimplifyShape",
        "swap-activation": "SwapActivation",
    }
)

MANIFEST: Mapping[str, PassLoader] = MappingProxyType(
    {
        name: _loader(f"fpc.passes.{name.replace('-', '_')}", class_name)
        for name, class_name in _CLASSES.items()
    }
)
"""Pass name -> loader of its class; a pass lives in the file of its name."""
