"""From a path or bytes to an ONNX model held in memory, external data included."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fpc.diagnostics.errors import ModelError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

    ModelSource: TypeAlias = Path | str | bytes | ModelProto

OLDEST_OPSET = 7
"""Older opsets give binary operators an explicit broadcast axis and batch norm a training form."""

_DEFAULT_DOMAINS = ("", "ai.onnx")
_RE_EXPORT = "check that the file is a complete ONNX model; download or export it again"


@dataclass(frozen=True)
class ModelFile:
    """A parsed model: the proto, the SHA-256 of what was read, and a name for messages."""

    proto: ModelProto
    sha256: str
    origin: str


def read_model(source: ModelSource) -> ModelFile:
    """Parse `source` and load its external data, which counts into the digest.

    Raises `ModelError`: file missing or unreadable, empty, not ONNX, truncated, external data
    missing or damaged, opset too old.
    """
    match source:
        case Path() | str():
            path = Path(source)
            content = _read_bytes(path)
            proto, folder, origin = _parse(content, str(path)), path.parent, str(path)
        case bytes():
            content = source
            proto, folder, origin = _parse(content, "<bytes>"), None, "<bytes>"
        case _:
            content = source.SerializeToString()
            proto, folder, origin = source, None, "<model>"
    digest = hashlib.sha256(content)
    del content
    for tensor in _load_external_data(proto, folder, origin):
        digest.update(tensor.raw_data)
    model = ModelFile(proto, digest.hexdigest(), origin)
    _check_is_network(model)
    return replace(model, proto=_inlined(model)) if proto.functions else model


def default_opset(proto: ModelProto) -> int:
    """The version of the standard operator set that the model uses."""
    versions = [o.version for o in proto.opset_import if o.domain in _DEFAULT_DOMAINS]
    return max(versions, default=1)


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            "unreadable",
            f"cannot read the model: {error.strerror or error}",
            model=str(path),
            help="give the path of an .onnx file that exists and is readable",
        ) from error
    return content


def _parse(content: bytes, origin: str) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    if not content:
        raise ModelError("empty", "the model file is empty", model=origin, help=_RE_EXPORT)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(content)
    except (DecodeError, ValueError, RuntimeError, RecursionError) as error:
        raise ModelError(
            "not-onnx",
            f"this is not an ONNX model, or only a part of one ({len(content)} bytes)",
            model=origin,
            notes=[f"the protobuf parser says: {error}"],
            help=_RE_EXPORT,
        ) from error
    return proto


def _check_is_network(model: ModelFile) -> None:
    graph = model.proto.graph
    if not all(isinstance(text, str) for text in (model.proto.producer_name, *_texts(graph))):
        raise ModelError(
            "not-onnx",
            "the file parses as ONNX, but some of its names are not text",
            model=model.origin,
            help=_RE_EXPORT,
        )
    if not graph.output:
        raise ModelError(
            "not-onnx",
            "the file parses as ONNX but holds no graph with outputs",
            model=model.origin,
            help=_RE_EXPORT,
        )
    opset = default_opset(model.proto)
    if opset < OLDEST_OPSET:
        raise ModelError(
            "opset",
            f"the model uses opset {opset}; fpc reads opset {OLDEST_OPSET} and newer",
            model=model.origin,
            help="convert it with `onnx.version_converter.convert_version(model, 13)`",
        )


def _texts(graph: GraphProto) -> Iterator[object]:
    """Every name in `graph`. Protobuf gives bytes where a string is not valid UTF-8."""
    yield from (tensor.name for tensor in graph.initializer)
    for value in (*graph.input, *graph.output):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            if attribute.HasField("g"):
                yield from _texts(attribute.g)


def _inlined(model: ModelFile) -> ModelProto:
    """The model with the functions that it defines itself put in place of their calls."""
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model.proto)
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            "functions",
            f"the functions that the model defines cannot be put in place: {error}",
            model=model.origin,
            help="export the model with its functions inlined",
        ) from error


def _load_external_data(proto: ModelProto, folder: Path | None, origin: str) -> list[TensorProto]:
    """Read the weights kept in other files; the tensors that they belong to."""
    from onnx import external_data_helper

    tensors = [t for t in proto.graph.initializer if external_data_helper.uses_external_data(t)]
    if not tensors:
        return []
    if folder is None:
        raise ModelError(
            "external-data",
            f"tensor '{tensors[0].name}' lies in an external file, and a model given as bytes has "
            "no folder to look in",
            model=origin,
            help="give the path of the .onnx file instead",
        )
    try:
        external_data_helper.load_external_data_for_model(proto, str(folder))
    except Exception as error:
        ours = isinstance(error, OSError | ValueError | RuntimeError | OverflowError | MemoryError)
        if not ours and not type(error).__module__.startswith("onnx"):
            raise
        raise ModelError(
            "external-data",
            f"the weights outside the .onnx file cannot be read: {error}",
            model=origin,
            notes=[f"{len(tensors)} tensors are external, the first is '{tensors[0].name}'"],
            help="copy the data file next to the .onnx file, under the name the exporter gave it",
        ) from error
    return tensors
