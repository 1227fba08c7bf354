"""Opening whatever the user names as calibration or evaluation data."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np

from fpc.diagnostics.errors import UsageError
from fpc.frontends.samples.dataset import LabelledSamples
from fpc.frontends.samples.preprocessing import Preprocessing, Resampling
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp", ".gif", ".tif", ".tiff")
_LABEL_KEYS = ("labels", "label", "y")
_IMAGE_KEYS = ("images", "image", "x")


def load_samples(
    source: str | Path | Iterable[Any],
    graph: Graph,
    preprocessing: Preprocessing,
    *,
    limit: int | None = None,
) -> LabelledSamples:
    """Samples for `graph` from a folder of images, a .npy or .npz file, or an iterable.

    - A folder holds images, sorted by name; a label is the number a file name starts with, or the
      (number of the) sub-folder the image is in.
    - .npy holds one array of samples; .npz holds `images` (uint8, NHWC or NCHW) and perhaps
      `labels`, or one float array for every graph input, under the inputs' names.
    - An iterable gives arrays (graphs with one input) or sequences of arrays.

    uint8 arrays are taken for pixels and preprocessed; float arrays are taken as they are.
    `UsageError` when there is nothing to read, or it does not fit the graph's inputs.
    """
    if not isinstance(source, str | Path):
        samples = _from_iterable(source, graph, preprocessing)
    else:
        path = Path(source)
        if path.is_dir():
            samples = _from_folder(path, graph, preprocessing)
        elif path.suffix in (".npy", ".npz"):
            samples = _from_arrays(path, graph, preprocessing)
        elif not path.exists():
            raise UsageError("samples-missing", f"there is no file or folder {path}")
        else:
            raise UsageError(
                "samples-format",
                f"{path} is not a folder of images, a .npy or a .npz file",
            )
    if not len(samples):
        raise UsageError("samples-empty", f"there are no samples in {samples.origin}")
    return samples if limit is None else samples.subset(range(min(limit, len(samples))))


def _from_folder(folder: Path, graph: Graph, preprocessing: Preprocessing) -> LabelledSamples:
    kind = _image_input(graph, str(folder))
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _IMAGE_SUFFIXES)
    if not paths:
        raise UsageError(
            "samples-empty",
            f"there are no images in {folder}",
            help=f"fpc reads {', '.join(_IMAGE_SUFFIXES)} and looks into sub-folders",
        )

    def load(index: int) -> tuple[Array, ...]:
        return (preprocessing.normalise(_read_image(paths[index], kind, preprocessing))[None],)

    return LabelledSamples(load, tuple(range(len(paths))), _labels(folder, paths), str(folder))


def _labels(folder: Path, paths: Sequence[Path]) -> tuple[int, ...] | None:
    numbered = [re.match(r"\d+", path.name) for path in paths]
    parents = {path.parent for path in paths}
    if parents == {folder}:
        found = [match for match in numbered if match is not None]
        if len(found) == len(paths):
            return tuple(int(match[0]) for match in found)
        return None
    classes = sorted({path.parent.relative_to(folder).as_posix() for path in paths})
    if all(name.isdigit() for name in classes):
        return tuple(int(path.parent.name) for path in paths)
    order = {name: number for number, name in enumerate(classes)}
    return tuple(order[path.parent.relative_to(folder).as_posix()] for path in paths)


def _read_image(path: Path, kind: TensorType, preprocessing: Preprocessing) -> Array:
    from PIL import Image, UnidentifiedImageError

    channels, height, width = kind.shape[1:]
    try:
        with Image.open(path) as image:
            pixels = image.convert("L" if channels == 1 else "RGB")
            return _fit(pixels, height, width, preprocessing)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise UsageError(
            "image-unreadable",
            f"cannot read the image {path}: {error}",
            help="remove it from the folder, or replace it with a readable one",
        ) from None


def _fit(image: Any, height: int, width: int, preprocessing: Preprocessing) -> Array:
    from PIL import Image

    crop_h, crop_w = (preprocessing.crop or height), (preprocessing.crop or width)
    if preprocessing.resize:
        side = preprocessing.resize
        if preprocessing.resampling is Resampling.STRETCH:
            image = image.resize((side, side), Image.Resampling.BILINEAR)
        else:
            factor = side / min(image.size)
            size = (round(image.width * factor), round(image.height * factor))
            image = image.resize(size, Image.Resampling.BILINEAR)
    elif image.width < crop_w or image.height < crop_h:
        factor = max(crop_w / image.width, crop_h / image.height)
        size = (max(crop_w, round(image.width * factor)), max(crop_h, round(image.height * factor)))
        image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (image.width - crop_w) // 2, (image.height - crop_h) // 2
    image = image.crop((left, top, left + crop_w, top + crop_h))
    if (crop_h, crop_w) != (height, width):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _from_arrays(path: Path, graph: Graph, preprocessing: Preprocessing) -> LabelledSamples:
    try:
        arrays = _read_arrays(path)
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as error:
        raise UsageError("samples-unreadable", f"cannot read {path}: {error}") from None
    labels = next((arrays.pop(key) for key in _LABEL_KEYS if key in arrays), None)
    names = [value.name for value in graph.inputs]
    if set(names) <= set(arrays):
        columns = [arrays[name] for name in names]
    elif len(names) == 1 and arrays:
        key = next((key for key in _IMAGE_KEYS if key in arrays), next(iter(arrays)))
        columns = [arrays[key]]
    else:
        raise UsageError(
            "samples-inputs",
            f"{path} holds {', '.join(arrays) or 'nothing'}, the model's inputs are "
            f"{', '.join(names)}",
            help="store one array for every input, under the input's name",
        )
    if any(column.ndim == 0 for column in columns):
        raise UsageError("samples-shape", f"{path} holds a single number, not samples")
    count = len(columns[0])
    if any(len(column) != count for column in columns):
        raise UsageError("samples-shape", f"the arrays of {path} differ in the number of samples")
    if labels is not None and len(labels) != count:
        raise UsageError("samples-shape", f"{path} holds {count} samples and {len(labels)} labels")

    def load(index: int) -> tuple[Array, ...]:
        return tuple(
            _fit_array(column[index : index + 1], value.type, value.name, preprocessing, str(path))
            for column, value in zip(columns, graph.inputs, strict=True)
        )

    if count:
        load(0)
    return LabelledSamples(
        load,
        tuple(range(count)),
        None if labels is None else tuple(int(label) for label in labels.reshape(count)),
        str(path),
    )


def _read_arrays(path: Path) -> dict[str, Array]:
    if path.suffix == ".npy":
        return {"": np.load(path, mmap_mode="r", allow_pickle=False)}
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _from_iterable(
    source: Iterable[Any], graph: Graph, preprocessing: Preprocessing
) -> LabelledSamples:
    if not hasattr(source, "__iter__"):
        raise UsageError(
            "samples-format",
            f"cannot read samples from an object of type {type(source).__name__}",
            help="give a folder, a .npy or .npz file, or an iterable of arrays",
        )
    samples: list[tuple[Array, ...]] = []
    for number, item in enumerate(source):
        parts = tuple(cast("Sequence[Any]", item)) if isinstance(item, tuple | list) else (item,)
        if len(parts) != len(graph.inputs):
            raise UsageError(
                "samples-inputs",
                f"sample {number} has {len(parts)} arrays, the model has "
                f"{len(graph.inputs)} inputs",
            )
        samples.append(
            tuple(
                _fit_array(
                    np.asarray(part), value.type, value.name, preprocessing, f"sample {number}"
                )
                for part, value in zip(parts, graph.inputs, strict=True)
            )
        )
    return LabelledSamples(
        samples.__getitem__, tuple(range(len(samples))), None, "the given samples"
    )


def _fit_array(
    array: Array, kind: TensorType, name: str, preprocessing: Preprocessing, origin: str
) -> Array:
    if array.ndim == kind.rank - 1:
        array = array[None]
    if array.dtype == np.uint8 and kind.rank == 4:
        channels_last = array.shape[1:] == (*kind.shape[2:], kind.shape[1])
        pixels = array.transpose(0, 3, 1, 2) if channels_last else array
        if pixels.shape == kind.shape:
            return preprocessing.normalise(pixels)
    elif array.shape == kind.shape and array.dtype.kind in "fiub":
        return np.ascontiguousarray(array, np.float32)
    raise UsageError(
        "samples-shape",
        f"{origin}: samples of shape {list(array.shape[1:])} and type {array.dtype} do not fit "
        f"input `{name}` of shape {list(kind.shape[1:])}",
        help="uint8 arrays are pixels (NHWC or NCHW) and get preprocessed; float arrays must have "
        "the input's own shape",
    )


def _image_input(graph: Graph, origin: str) -> TensorType:
    if len(graph.inputs) != 1 or graph.inputs[0].type.rank != 4:
        shapes = ", ".join(str(value.type) for value in graph.inputs)
        raise UsageError(
            "samples-inputs",
            f"images from {origin} fit models with one 4-D input, this one has {shapes}",
            help="store the inputs as arrays in a .npz file, under the inputs' names",
        )
    kind = graph.inputs[0].type
    if kind.shape[1] not in (1, 3):
        raise UsageError(
            "samples-inputs",
            f"images have 1 or 3 channels, input `{graph.inputs[0].name}` has {kind.shape[1]}",
        )
    return kind
