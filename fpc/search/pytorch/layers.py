"""What makes the PyTorch module of one layer, as Python's text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from fpc.search.pytorch.python_text import Argument, Call
from fpc.search.space.description import DenseLayer, PlainLayer, Space
from fpc.search.space.layers import Convolution, NetworkLayer, PartialConvolution, Placed
from fpc.zoo.builder import Affine, Nonlinearity, Padding
from fpc.zoo.inverted_residual import InvertedResidual

_MODULES: Mapping[Nonlinearity, str] = MappingProxyType(
    {
        Nonlinearity.NONE: "nn.Identity",
        Nonlinearity.RELU: "nn.ReLU",
        Nonlinearity.RELU6: "nn.ReLU6",
        Nonlinearity.HARD_SWISH: "nn.Hardswish",
        Nonlinearity.SILU: "nn.SiLU",
        Nonlinearity.GELU: "nn.GELU",
        Nonlinearity.SIGMOID: "nn.Sigmoid",
        Nonlinearity.HARD_SIGMOID: "nn.Hardsigmoid",
    }
)
SWAPPED: Mapping[Nonlinearity, str] = MappingProxyType(
    {Nonlinearity.HARD_SWISH: "hard-swish", Nonlinearity.SILU: "SiLU"}
)
"""The activations that ReLU6 may stand for, in words."""


def activations_of(layer: NetworkLayer) -> set[Nonlinearity]:
    """The activations inside and after a layer, but for the gate of its squeeze-excite."""
    match layer:
        case InvertedResidual(squeezed=None) | Convolution() | PartialConvolution():
            return {layer.act}
        case InvertedResidual():
            return {layer.act, layer.squeeze_act}
        case DenseLayer() | PlainLayer():
            return set()


def merges_patches(layer: NetworkLayer) -> bool:
    """Whether a layer is the convolution that a stage of partial convolutions begins with."""
    return isinstance(layer, Convolution) and layer.padding is Padding.VALID


@dataclass(frozen=True)
class LayerText:
    """How the layers of one network are written.

    `usual` is the activation that blocks have where nothing is said; `swaps` puts ReLU6 for
    hard-swish and SiLU; `features` are the inputs of each dense layer, by name.
    """

    space: Space
    usual: Nonlinearity
    features: Mapping[str, int]
    swaps: bool

    @classmethod
    def of(
        cls, space: Space, layers: Sequence[Placed], features: Mapping[str, int], *, swaps: bool
    ) -> Self:
        """The way to write `layers`."""
        used = Counter(
            placed.layer.act
            for placed in layers
            if isinstance(placed.layer, InvertedResidual | PartialConvolution)
        )
        usual = used.most_common(1)[0][0] if used else space.activation
        return cls(space, usual, features, swaps)

    def activation(self, act: Nonlinearity) -> str:
        """The class of the module for an activation."""
        return _MODULES[Nonlinearity.RELU6 if self.swaps and act in SWAPPED else act]

    def module(self, placed: Placed) -> Call:
        """What makes the module of a layer that has weights."""
        in_channels, layer = placed.in_channels, placed.layer
        match layer:
            case Convolution() if merges_patches(layer):
                return Call("PatchMerging", (in_channels, layer.channels, layer.kernel))
            case Convolution(affine=Affine.BATCH_NORM):
                kernel = () if layer.kernel == 1 else (layer.kernel,)
                sizes = (in_channels, layer.channels, *kernel)
                none = layer.act is Nonlinearity.NONE
                act = {} if none else {"act": self.activation(layer.act)}
                return Call("conv_layer", sizes, _stride(layer.stride) | act)
            case Convolution():
                return self._unusual(layer, in_channels)
            case InvertedResidual():
                sizes = (in_channels, layer.middle, layer.channels, layer.kernel)
                squeezed = {} if layer.squeezed is None else {"squeezed": layer.squeezed}
                options = _stride(layer.stride) | squeezed | self._unusual_act(layer.act)
                return Call("InvertedResidual", sizes, options)
            case PartialConvolution():
                sizes = (layer.channels, layer.middle, layer.kernel)
                return Call("PartialConvolution", sizes, self._unusual_act(layer.act))
            case DenseLayer(units=units):
                linear = Call("nn.Linear", (self.features[placed.name], units))
                return _sequence({"linear": linear})
            case PlainLayer():
                raise ValueError(f"{layer.layer} has no weights")

    def convolution(self, sizes: tuple[Argument, ...], **options: Argument) -> Call:
        """What makes a convolution of (input, output, kernel), padded as the space pads."""
        match self.space.padding:
            case Padding.SAME:
                return Call("Conv2dSame", sizes, options)
            case Padding.VALID:
                return Call("nn.Conv2d", sizes, options)
            case Padding.SYMMETRIC:
                kernel = sizes[-1]
                half = kernel // 2 if isinstance(kernel, int) else f"{kernel} // 2"
                return Call("nn.Conv2d", sizes, options | ({"padding": half} if half else {}))

    @property
    def batch_norm(self) -> Mapping[str, str]:
        """The options of batch norms."""
        epsilon, momentum = self.space.batch_norm_epsilon, self.space.batch_norm_momentum
        return {"eps": f"{epsilon:g}".replace("e-0", "e-"), "momentum": f"{momentum:g}"}

    def _unusual(self, conv: Convolution, in_channels: int) -> Call:
        """A convolution with a bias, or without a batch norm."""
        sizes = (in_channels, conv.channels, conv.kernel)
        bias: dict[str, Argument] = {} if conv.affine.has_bias else {"bias": False}
        modules = {"conv": self.convolution(sizes, **_stride(conv.stride), **bias)}
        if conv.affine.normalises:
            modules["bn"] = Call("nn.BatchNorm2d", (conv.channels,), self.batch_norm)
        if conv.act is not Nonlinearity.NONE:
            modules["act"] = Call(self.activation(conv.act))
        return _sequence(modules)

    def _unusual_act(self, act: Nonlinearity) -> dict[str, Argument]:
        return {} if act is self.usual else {"act": self.activation(act)}


def _stride(stride: int) -> dict[str, Argument]:
    return {} if stride == 1 else {"stride": stride}


def _sequence(modules: Mapping[str, Argument]) -> Call:
    return Call("nn.Sequential", (Call("OrderedDict", (), modules),))
