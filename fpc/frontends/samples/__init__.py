"""Example inputs: folders of images, arrays on disk, and Python iterables."""

from fpc.frontends.samples.dataset import LabelledSamples
from fpc.frontends.samples.preprocessing import Preprocessing, Resampling
from fpc.frontends.samples.source import load_samples

__all__ = ["LabelledSamples", "Preprocessing", "Resampling", "load_samples"]
