"""The weights of one subnet, cut out of those of its supernet.

As the modules of once-for-all do it while a subnet is active (`elastic_nn/modules/dynamic_op.py`):
channels are the first ones of the supernet's; a smaller depthwise kernel is the centre of the
larger one, its elements multiplied by a trained matrix that all channels share; a stage of depth d
has the first d of its blocks.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fpc.diagnostics.errors import ModelError
from fpc.ir.constant import Array

_SPELLINGS = (
    (".mobile_inverted_conv.", ".conv."),
    (".conv.conv.weight", ".conv.weight"),
    (".bn.bn.", ".bn."),
    (".linear.linear.", ".linear."),
)
"""What elastic modules, and the first release, call parts that others call as on the right."""
_ELASTIC = (
    (".inverted_bottleneck.", (0,)),
    (".depth_conv.se.", (0, 1)),
    (".depth_conv.", (0,)),
    (".point_linear.conv.", (1,)),
)
"""Axes of a part's tensors that a subnet takes the beginning of."""
_DEPTHWISE = ".depth_conv.conv.weight"


@dataclass(frozen=True)
class SubnetWeights:
    """Gives the subnet's tensor of a name and shape: see `fpc.zoo.builder.Weights`.

    `state` is the supernet's, in any release's spelling; `blocks` says which of the supernet's
    blocks each block of the subnet is; `origin` is what errors call the checkpoint. `ModelError`
    where the supernet has no such tensor, or one of another shape.
    """

    state: Mapping[str, Array]
    blocks: Sequence[int]
    origin: str

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """The tensor."""
        key = re.sub(r"(?<=^blocks\.)\d+", lambda number: str(self.blocks[int(number[0])]), name)
        whole = self._tensor(key)
        if name.endswith(_DEPTHWISE):
            whole = self._transformed(key, whole, shape[-1])
        elastic = next((axes for part, axes in _ELASTIC if part in name), ())
        if len(whole.shape) != len(shape) or not all(
            there == wanted or (axis in elastic and there > wanted)
            for axis, (there, wanted) in enumerate(zip(whole.shape, shape, strict=True))
        ):
            raise self._misfit(key, whole.shape, shape)
        return np.ascontiguousarray(whole[tuple(slice(extent) for extent in shape)])

    @cached_property
    def _keys(self) -> Mapping[str, str]:
        """The checkpoint's keys, by the spelling that fpc has for them."""
        return {_spelt(key): key for key in self.state}

    def _tensor(self, key: str) -> Array:
        found = self._keys.get(key)
        if found is None:
            raise self._missing(key)
        tensor = self.state[found]
        if not np.isfinite(tensor).all():
            raise ModelError("not-finite", f"`{found}` holds NaN or infinity", model=self.origin)
        return tensor

    def _transformed(self, key: str, kernels: Array, size: int) -> Array:
        """Depthwise kernels [channels, 1, k, k] brought to `size` step by step, 7 to 5 to 3."""
        while kernels.shape[-1] > size:
            larger = kernels.shape[-1]
            smaller = larger - 2
            matrix = self._tensor(key.replace(".weight", f".{larger}to{smaller}_matrix"))
            centre = kernels[:, :, 1:-1, 1:-1].reshape(len(kernels), -1)
            if matrix.shape != (smaller**2, smaller**2):
                raise self._misfit(key, matrix.shape, (smaller**2, smaller**2))
            kernels = (centre @ matrix.T).reshape(-1, 1, smaller, smaller)
        return kernels

    def _missing(self, key: str) -> ModelError:
        near = difflib.get_close_matches(key, self._keys, n=1, cutoff=0.0)
        notes = [f"the nearest key it has is `{self._keys[near[0]]}`"] if near else []
        return ModelError(
            "missing-weight",
            f"the checkpoint has no tensor `{key}`",
            model=self.origin,
            notes=notes,
            help="give a supernet of once-for-all, and the --space that it is of",
        )

    def _misfit(self, key: str, there: Sequence[int], wanted: Sequence[int]) -> ModelError:
        return ModelError(
            "weight-shape",
            f"`{self._keys.get(key, key)}` has the shape {list(there)}, and the subnet needs "
            f"{list(wanted)}",
            model=self.origin,
            help="give the --space and the width that the supernet was trained with",
        )


def _spelt(key: str) -> str:
    key = key.removeprefix("module.")
    for spelling, ours in _SPELLINGS:
        key = key.replace(spelling, ours)
    return key
