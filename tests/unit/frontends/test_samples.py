"""Samples: every source gives the arrays the network takes, or a coded message."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fpc.diagnostics.errors import UsageError
from fpc.frontends.samples import Preprocessing, Resampling, load_samples
from fpc.ir.graph import Graph
from fpc.ir.types import f32

IDENTITY = Preprocessing()


def graph_of(*shapes: tuple[int, ...]) -> Graph:
    graph = Graph()
    for number, shape in enumerate(shapes):
        graph.add_input(f"in{number}", f32(*shape))
    return graph


def _image(path: Path, size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_folder_is_read_in_name_order_with_labels(tmp_path: Path):
    _image(tmp_path / "7_b.png", (8, 8), (0, 0, 255))
    _image(tmp_path / "3_a.png", (8, 8), (255, 0, 0))
    samples = load_samples(tmp_path, graph_of((1, 3, 8, 8)), IDENTITY)
    assert samples.labels == (3, 7)
    first, second = (sample[0] for sample in samples)
    assert first.shape == (1, 3, 8, 8)
    assert first.dtype == np.float32
    assert first[0, :, 0, 0].tolist() == [255.0, 0.0, 0.0]
    assert second[0, :, 0, 0].tolist() == [0.0, 0.0, 255.0]


def test_sub_folders_are_classes(tmp_path: Path):
    _image(tmp_path / "cat" / "1.png", (8, 8), (0, 0, 0))
    _image(tmp_path / "dog" / "1.png", (8, 8), (0, 0, 0))
    assert load_samples(tmp_path, graph_of((1, 3, 8, 8)), IDENTITY).labels == (0, 1)


def test_preprocessing_orders_scales_and_normalises(tmp_path: Path):
    _image(tmp_path / "x.png", (8, 8), (10, 20, 30))
    preprocessing = Preprocessing(
        mean=(3.0, 2.0, 1.0), std=(2.0, 2.0, 4.0), scale=0.5, channel_order="bgr"
    )
    samples = load_samples(tmp_path, graph_of((1, 3, 8, 8)), preprocessing)
    assert samples.labels is None
    (pixel,) = next(iter(samples))
    assert pixel[0, :, 0, 0].tolist() == [(15 - 3) / 2, (10 - 2) / 2, (5 - 1) / 4]


def test_centre_crop_needs_no_resampling(tmp_path: Path):
    pixels = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    (cropped,) = next(iter(load_samples(tmp_path, graph_of((1, 3, 4, 4)), IDENTITY)))
    assert np.array_equal(cropped[0], pixels[1:5, 1:5].transpose(2, 0, 1).astype(np.float32))


def test_short_side_keeps_the_aspect_ratio_and_stretch_does_not(tmp_path: Path):
    wide = np.zeros((10, 20, 3), np.uint8)
    wide[:, :5] = wide[:, 15:] = 255
    Image.fromarray(wide).save(tmp_path / "x.png")
    graph = graph_of((1, 3, 10, 10))
    cropped = next(iter(load_samples(tmp_path, graph, Preprocessing(resize=10))))[0]
    stretched = next(
        iter(load_samples(tmp_path, graph, Preprocessing(resize=10, resampling=Resampling.STRETCH)))
    )[0]
    assert cropped.max() == 0.0
    assert stretched.max() == 255.0


def test_small_images_are_enlarged(tmp_path: Path):
    _image(tmp_path / "x.png", (4, 2), (9, 9, 9))
    (array,) = next(iter(load_samples(tmp_path, graph_of((1, 3, 8, 8)), IDENTITY)))
    assert array.shape == (1, 3, 8, 8)
    assert np.all(array == 9.0)


def test_grey_networks_take_colour_images(tmp_path: Path):
    _image(tmp_path / "x.png", (8, 8), (50, 50, 50))
    (array,) = next(iter(load_samples(tmp_path, graph_of((1, 1, 8, 8)), IDENTITY)))
    assert np.all(array == 50.0)


def test_npz_of_pixels_in_either_layout(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 6, 6, 3)).astype(np.uint8)
    graph = graph_of((1, 3, 6, 6))
    np.savez(tmp_path / "last.npz", images=pixels, labels=np.arange(5))
    np.save(tmp_path / "first.npy", pixels.transpose(0, 3, 1, 2))
    last = load_samples(tmp_path / "last.npz", graph, IDENTITY)
    first = load_samples(tmp_path / "first.npy", graph, IDENTITY)
    assert last.labels == (0, 1, 2, 3, 4)
    for (a,), (b,) in zip(last, first, strict=True):
        assert np.array_equal(a, b)


def test_float_arrays_are_taken_as_they_are(tmp_path: Path):
    values = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float64)
    np.save(tmp_path / "x.npy", values)
    samples = load_samples(tmp_path / "x.npy", graph_of((1, 4)), Preprocessing(mean=(9.0,)))
    assert np.allclose(np.concatenate([array for (array,) in samples]), values)


def test_several_inputs_by_name(tmp_path: Path):
    np.savez(tmp_path / "x.npz", in1=np.zeros((2, 3), np.float32), in0=np.ones((2, 4), np.float32))
    samples = load_samples(tmp_path / "x.npz", graph_of((1, 4), (1, 3)), IDENTITY)
    first, second = next(iter(samples))
    assert (first.shape, second.shape) == ((1, 4), (1, 3))


def test_iterables_and_limits():
    given = (np.full((1, 2), number, np.float32) for number in range(5))
    samples = load_samples(given, graph_of((1, 2)), IDENTITY, limit=3)
    assert [float(array[0, 0]) for (array,) in samples] == [0.0, 1.0, 2.0]
    assert [float(array[0, 0]) for (array,) in samples] == [0.0, 1.0, 2.0]


def _raises(code: str, source, graph: Graph, preprocessing: Preprocessing = IDENTITY) -> UsageError:
    with pytest.raises(UsageError) as caught:
        list(load_samples(source, graph, preprocessing))
    assert caught.value.code == f"usage.{code}"
    return caught.value


def test_mistakes_are_coded(tmp_path: Path):
    image_graph = graph_of((1, 3, 8, 8))
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"not an image")
    (tmp_path / "x.npz").write_bytes(b"PK not a zip")
    (tmp_path / "x.txt").write_text("")
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 3)), b=np.zeros((2, 3)))
    np.savez(tmp_path / "odd.npz", images=np.zeros((2, 3, 8, 8), np.uint8), labels=np.zeros(3))
    np.save(tmp_path / "wrong.npy", np.zeros((2, 5), np.float32))
    np.save(tmp_path / "none.npy", np.zeros((0, 3, 8, 8), np.uint8))
    np.save(tmp_path / "scalar.npy", np.float32(1))
    _raises("samples-missing", tmp_path / "nowhere", image_graph)
    _raises("samples-empty", tmp_path / "empty", image_graph)
    _raises("samples-empty", tmp_path / "none.npy", image_graph)
    _raises("samples-empty", [], image_graph)
    assert "x.png" in str(_raises("image-unreadable", tmp_path / "bad", image_graph))
    _raises("samples-unreadable", tmp_path / "x.npz", image_graph)
    _raises("samples-format", tmp_path / "x.txt", image_graph)
    _raises("samples-inputs", tmp_path / "two.npz", graph_of((1, 3), (1, 4)))
    _raises("samples-shape", tmp_path / "odd.npz", image_graph)
    _raises("samples-shape", tmp_path / "wrong.npy", image_graph)
    _raises("samples-shape", tmp_path / "scalar.npy", image_graph)
    _raises("samples-inputs", tmp_path / "bad", graph_of((1, 4)))
    _raises("samples-inputs", [(np.zeros(3), np.zeros(3))], graph_of((1, 3)))
    _image(tmp_path / "good" / "x.png", (8, 8), (1, 2, 3))
    _raises("mean", tmp_path / "good", image_graph, Preprocessing(mean=(1.0, 2.0)))


def test_std_of_zero_is_refused():
    with pytest.raises(UsageError, match="divide by zero"):
        Preprocessing(std=(1.0, 0.0, 1.0))
