"""A trained subnet out of a once-for-all supernet: weights cut, batch norms set by the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fpc.backends.onnx.emit import emit_bytes
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.artifact import write_file
from fpc.driver.options import SampleSource
from fpc.frontends.once_for_all import SubnetWeights, read_checkpoint
from fpc.frontends.samples import LabelledSamples, Preprocessing, load_samples
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.quant.calibration.batch_norm import recalibrated
from fpc.search import catalog
from fpc.search.once_for_all.supernet import read_subnet, supernet_blocks
from fpc.search.space.encoding import encode
from fpc.search.space.network import build
from fpc.targets.description import multiply_adds

_UNCALIBRATED = (
    "the statistics of batch norms are the supernet's, with which hardly any subnet recognises "
    "anything: give --calib some hundred images"
)


@dataclass(frozen=True)
class ImportOptions:
    """Which subnet of which supernet, and the images that its batch norms are set by.

    `subnet` is a subnet's text or a `net.config` file. Statistics are taken of `batch` images at a
    time, of `calibration_limit` at most; without `calibration` they stay what they are.
    """

    checkpoint: Path
    subnet: str
    space: str = "ofa-mbv3"
    calibration: SampleSource | None = None
    calibration_limit: int | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    batch: int = 32


@dataclass(frozen=True)
class ImportedSubnet:
    """The network, float and with its batch norms; `images` set their statistics.

    Its size is that as deployed, with batch norms folded.
    """

    graph: Graph
    subnet: str
    multiply_adds: int
    parameters: int
    images: int = 0
    notes: tuple[str, ...] = ()

    def write(self, file: Path) -> None:
        """Put it at `file` as ONNX, whole or not at all."""
        write_file(file, emit_bytes(self.graph))


def import_weights(options: ImportOptions, progress: Progress = silent) -> ImportedSubnet:
    """The subnet with the supernet's weights.

    `SearchError` for a subnet that the space has not, `ModelError` for a checkpoint that is none
    or of another space, `MissingBackendError` without PyTorch, `UsageError` for unusable images.
    """
    space = catalog.load(options.space)
    subnet = read_subnet(options.subnet, space)
    blocks = supernet_blocks(space, subnet)
    state = read_checkpoint(options.checkpoint)
    weights = SubnetWeights(state, blocks, str(options.checkpoint))
    graph = build(space, subnet, weights=weights)
    deployed = build(space, subnet)
    imported = ImportedSubnet(
        graph,
        encode(subnet),
        sum(map(multiply_adds, deployed)),
        sum(constant.type.size for constant in deployed.constants),
        notes=(_UNCALIBRATED,),
    )
    if options.calibration is None:
        return imported
    samples = load_samples(
        options.calibration, graph, options.preprocessing, limit=options.calibration_limit
    )
    batches = _batches(samples, options.batch, progress)
    return replace(imported, graph=recalibrated(graph, batches), images=len(samples), notes=())


def _batches(samples: LabelledSamples, size: int, progress: Progress) -> Iterator[Array]:
    for first in range(0, len(samples), size):
        last = min(first + size, len(samples))
        yield np.concatenate([image for (image,) in samples.subset(range(first, last))])
        progress("batch norms", last, len(samples))
