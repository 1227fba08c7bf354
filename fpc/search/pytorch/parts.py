"""The definitions that written PyTorch modules are put together from.

Each is a text as it stands in the module's file, formatted; `$name` is a place to fill in
(`string.Template`).
"""

from __future__ import annotations

from string import Template

CONV2D_SAME = '''\
class Conv2dSame(nn.Conv2d):
    """Padded as TensorFlow's SAME, for maps whose sides the stride divides."""

    def forward(self, input: Tensor) -> Tensor:
        total = max(0, self.kernel_size[0] - self.stride[0])
        before, after = total // 2, total - total // 2
        if total:
            input = functional.pad(input, (before, after, before, after))
        return super().forward(input)
'''

CONV2D_SAME_OF_ANY_SIDES = '''\
class Conv2dSame(nn.Conv2d):
    """Padded as TensorFlow's SAME: what is odd goes to the bottom and the right."""

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads: list[int] = []
        for side in (input.shape[3], input.shape[2]):
            total = max(0, kernel - (side % stride or stride))
            pads += [total // 2, total - total // 2]
        return super().forward(functional.pad(input, pads))
'''
"""Exporting this one makes PyTorch warn that it takes sides for constants."""

CONV_LAYER = Template('''\
def conv_layer(
    in_channels: int,
    channels: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    act: type[nn.Module] | None = None,
) -> nn.Sequential:
    """A convolution with its batch norm and activation."""
    layers = OrderedDict[str, nn.Module]()
$convolution
    layers["bn"] = nn.BatchNorm2d(channels, eps=$eps, momentum=$momentum)
    if act is not None:
        layers["act"] = act()
    return nn.Sequential(layers)
''')

SQUEEZE_EXCITE = Template('''\
class SqueezeExcite(nn.Module):
    """A gate for every channel, computed from the means of all (Hu et al. 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            OrderedDict(
                reduce=nn.Conv2d(channels, squeezed, 1),
                act=$act(),
                expand=nn.Conv2d(squeezed, channels, 1),
                gate=$gate(),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean((2, 3), keepdim=True))
''')

INVERTED_RESIDUAL = Template('''\
class InvertedResidual(nn.Module):
    """1x1 to `middle` channels, depthwise,$squeezing 1x1 to `channels`.

    The first is left out where `middle` channels come in, and a shortcut is added where
    shapes allow it.
    """

    def __init__(
        self,
        in_channels: int,
        middle: int,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
$squeezed        act: type[nn.Module] = $act,
    ) -> None:
        super().__init__()
        parts = OrderedDict[str, nn.Module]()
        if middle != in_channels:
            parts["inverted_bottleneck"] = conv_layer(in_channels, middle, act=act)
        parts["depth_conv"] = conv_layer(
            middle, middle, kernel, stride=stride, groups=middle, act=act
        )
$excitation        parts["point_linear"] = conv_layer(middle, channels)
        self.conv = nn.Sequential(parts)
        self.has_shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return x + y if self.has_shortcut else y
''')
SQUEEZING = " squeeze-excite,"
SQUEEZED = "        squeezed: int = 0,\n"
EXCITATION = """\
        if squeezed:
            parts["depth_conv"].add_module("se", SqueezeExcite(middle, squeezed))
"""

PATCH_MERGING = Template('''\
class PatchMerging(nn.Sequential):
    """A convolution of windows that touch each other, and its batch norm."""

    def __init__(self, in_channels: int, channels: int, patch: int) -> None:
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(in_channels, channels, patch, stride=patch, bias=False),
                bn=nn.BatchNorm2d(channels, eps=$eps, momentum=$momentum),
            )
        )
''')

PARTIAL_CONVOLUTION = Template('''\
class PartialConvolution(nn.Module):
    """A convolution of a quarter of the channels, 1x1 to `middle`, and back."""

    def __init__(
        self,
        channels: int,
        middle: int,
        kernel: int,
        *,
        act: type[nn.Module] = $act,
    ) -> None:
        super().__init__()
        quarter = channels // 4
        self.parts = (quarter, channels - quarter)
$convolution
        self.expand = conv_layer(channels, middle, act=act)
        self.project = nn.Conv2d(middle, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mixed, untouched = x.split(self.parts, dim=1)
        y = torch.cat((self.partial_conv(mixed), untouched), dim=1)
        return x + self.project(self.expand(y))
''')

INITIALISE = '''\
def initialise(module: nn.Module) -> None:
    """Kaiming's normal distribution by fan-out; biases begin at zero."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
'''

EXPORT = '''\
def export(model: nn.Module, file: str) -> None:
    """Write the trained network as ONNX, for `fpc compile`."""
    images = next(model.parameters()).new_zeros(1, 3, RESOLUTION, RESOLUTION)
    torch.onnx.export(model.eval(), (images,), file, dynamo=False)
'''

EXPORT_WITH_SOFTMAX = '''\
def export(model: nn.Module, file: str) -> None:
    """Write the trained network as ONNX, for `fpc compile`: it ends in a softmax."""
    images = next(model.parameters()).new_zeros(1, 3, RESOLUTION, RESOLUTION)
    deployed = nn.Sequential(model, nn.Softmax(dim=1)).eval()
    torch.onnx.export(deployed, (images,), file, dynamo=False)
'''

NETWORK = Template('''\
class $name(nn.Module):
    """Images [N, 3, $resolution, $resolution] go in, $outputs come out."""

    def __init__(self) -> None:
        super().__init__()
$modules
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
$steps
''')
