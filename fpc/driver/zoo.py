"""Networks of the zoo: what there is, and one of them as an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fpc.backends.onnx.emit import emit_bytes
from fpc.diagnostics.errors import UsageError
from fpc.driver.artifact import write_file
from fpc.ir.graph import Graph
from fpc.targets.description import multiply_adds
from fpc.zoo import catalog, ofa_config

_CONFIG_SUFFIX = ".config"


@dataclass(frozen=True)
class NetworkSize:
    """A network's size as deployed: batch norms are parts of the convolutions before them."""

    name: str
    resolution: int
    """Pixels a side."""
    options: tuple[str, ...]
    """What else its builder takes."""
    multiply_adds: int
    parameters: int


def networks() -> tuple[NetworkSize, ...]:
    """Every network of the zoo with its own options."""
    return tuple(
        _size(catalog.build(name), name, tuple(catalog.options(name))) for name in catalog.names()
    )


def build_network(
    name: str, file: Path, *, resolution: int | None = None, width: float | None = None, seed: int
) -> NetworkSize:
    """Write the network called `name`, or of the OFA `net.config` file so called, as ONNX.

    The file is that of a network just trained, with drawn weights and statistics; it appears
    whole or not at all. `UsageError` for a network, an option or a place that cannot be.
    """
    write_file(file, emit_bytes(_network(name, resolution, width, seed)))
    options = () if width is None else ("width",)
    return _size(_network(name, resolution, width, None), name, options)


def _network(name: str, resolution: int | None, width: float | None, seed: int | None) -> Graph:
    if not name.endswith(_CONFIG_SUFFIX):
        others: dict[str, object] = {} if width is None else {"width": width}
        return catalog.build(name, resolution=resolution, seed=seed, **others)
    if width is not None:
        raise UsageError(
            "network-option",
            f"{name} gives the channels of every layer, and no width can change them",
            help="leave --width out",
        )
    return ofa_config.load(Path(name), resolution=resolution, seed=seed)


def _size(network: Graph, name: str, options: tuple[str, ...]) -> NetworkSize:
    (image,) = network.inputs
    return NetworkSize(
        name,
        image.type.shape[-1],
        tuple(option for option in options if option not in {"resolution", "seed"}),
        sum(map(multiply_adds, network)),
        sum(value.type.size for value in network.constants),
    )
