"""The convolutional trunk of the bundled model.

A U-shaped network without normalisation layers. Besides learned features it predicts, for every stride-4
pixel, whether an object is there, where that object's centre is and how large it is, and appends a Fourier
code of the centre to what it hands on. Two pixels of one object then carry the same code, so "same object as
the prompt" is close to a dot product, which is what SAM's mask decoder computes at its end.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CentreTrunk", "code_frequencies"]

FRAME_CENTRE = 256.0
"""Phases are counted from the middle of the 512 x 512 frame, as in SAM's position encoding."""

OFFSET_UNIT = 32.0
"""Pixels of the model's input frame per unit of the predicted centre offset."""


def code_frequencies(n: int, shortest: float, longest: float) -> Tensor:
    """Spread `n` two-dimensional frequencies over directions and wavelengths.

    Parameters
    ----------
    n : int
        How many.
    shortest, longest : float
        Wavelengths in pixels of the model's input frame, between which they are spaced evenly on a log scale.

    Returns
    -------
    Tensor of float32, shape (2, n)
        Angular frequencies (x, y) in radians per pixel, rounded to half precision because they are stored so.
        A sum of cosines over them has one clear peak: directions follow the golden angle, so that side lobes
        do not add up.
    """
    step = torch.arange(n, dtype=torch.float64)
    wavelength = longest * (shortest / longest) ** (step / max(n - 1, 1))
    angle = step * math.pi * (3 - math.sqrt(5))
    freq = 2 * math.pi / wavelength * torch.stack([torch.cos(angle), torch.sin(angle)])
    return freq.to(torch.float16).to(torch.float32)


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))), starting as the identity because the last convolution starts at zero."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(dim, dim, 3, padding=1)
        self.b = nn.Conv2d(dim, dim, 3, padding=1)
        nn.init.kaiming_normal_(self.a.weight)
        nn.init.zeros_(self.a.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.b.weight)
        nn.init.zeros_(self.b.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.b(F.relu(self.a(F.relu(x))))
        return out


def _conv(i: int, o: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(i, o, kernel, stride=stride, padding=kernel // 2)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


class CentreTrunk(nn.Module):
    """U-shaped trunk whose outputs carry the code of the predicted object centre.

    Parameters
    ----------
    dims : tuple of int
        Channels at strides 4, 8, 16 and 32 on the way down.
    depth : tuple of int
        Residual blocks at each of them.
    widths : tuple of int
        Channels at strides 4, 8 and 16 on the way up.
    frequencies : int
        Two-dimensional frequencies of the code; it has two channels for each.
    shortest, longest : float
        Their wavelengths, in pixels of the input.

    Attributes
    ----------
    channel_list : list of int
        Channels of the outputs from the coarsest to the finest, as sam2's neck wants them.
    origin : tuple of float
        (y, x) of the input's corner in the model's frame. Training on windows of a larger frame sets it.
    dense : Tensor or None
        Prediction of the last pass, shape (B, 4, Y/4, X/4): logit of "an object is here", offset (y, x) to
        its centre in units of 32 pixels, log of its radius over 16 pixels.
    """

    freq: Tensor

    def __init__(
        self,
        dims: tuple[int, int, int, int] = (64, 96, 160, 160),
        depth: tuple[int, int, int, int] = (2, 2, 2, 2),
        widths: tuple[int, int, int] = (64, 96, 128),
        frequencies: int = 15,
        shortest: float = 14.0,
        longest: float = 420.0,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 32, stride=2), nn.ReLU(), _conv(32, dims[0], stride=2))
        self.stages = nn.ModuleList(
            nn.Sequential(*([_conv(dims[i - 1], d, stride=2)] if i else []), *[Residual(d) for _ in range(n)])
            for i, (d, n) in enumerate(zip(dims, depth, strict=True))
        )
        self.bottom = _conv(dims[3], widths[2], 1)
        self.lateral = nn.ModuleList(_conv(d, w, 1) for d, w in zip(dims, widths, strict=False))
        self.up = nn.ModuleList(_conv(widths[i + 1], widths[i], 1) for i in range(2))
        self.mix = nn.ModuleList(Residual(w) for w in widths)
        last = _conv(widths[0], 4, 1)
        with torch.no_grad():
            last.weight.mul_(0.1)
        self.head = nn.Sequential(Residual(widths[0]), nn.ReLU(), last)
        self.register_buffer("freq", code_frequencies(frequencies, shortest, longest))
        code = 2 * frequencies + 2
        # Stride 16 gets the codes of its four quarters too: with small objects a cell holds several.
        self.channel_list = [widths[2] + code + 4 * 4, widths[1] + code, widths[0] + code]
        self.origin: tuple[Tensor | float, Tensor | float] = (0.0, 0.0)
        self.dense: Tensor | None = None

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Learned features at strides 4, 8 and 16, and the dense prediction."""
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        down = []
        for stage in self.stages:
            x = stage(x)
            down.append(x)
        u16 = self.mix[2](self.lateral[2](down[2]) + _double(self.bottom(F.relu(down[3]))))
        u8 = self.mix[1](self.lateral[1](down[1]) + _double(self.up[1](u16)))
        u4 = self.mix[0](self.lateral[0](down[0]) + _double(self.up[0](u8)))
        return u4, u8, u16, self.head(u4)

    def code(self, dense: Tensor) -> Tensor:
        """Fourier code of the predicted centres.

        Parameters
        ----------
        dense : Tensor of float, shape (B, 4, h, w)
            Dense prediction at stride 4.

        Returns
        -------
        Tensor of float32, shape (B, 2 * frequencies + 2, h, w)
            Cosines, sines, one, log radius; all times the probability that an object is there.
        """
        dense = dense.float()
        h, w = dense.shape[-2:]
        oy, ox = self.origin
        y = torch.arange(h, device=dense.device).view(1, h, 1) * 4 + 2.0
        x = torch.arange(w, device=dense.device).view(1, 1, w) * 4 + 2.0
        cy = dense[:, 1] * OFFSET_UNIT + y + (oy - FRAME_CENTRE)
        cx = dense[:, 2] * OFFSET_UNIT + x + (ox - FRAME_CENTRE)
        phase = cx[:, None] * self.freq[0].view(1, -1, 1, 1) + cy[:, None] * self.freq[1].view(1, -1, 1, 1)
        here = dense[:, :1].sigmoid()
        return torch.cat([torch.cos(phase), torch.sin(phase), torch.ones_like(here), dense[:, 3:]], 1) * here

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features at strides 4, 8 and 16 of images of shape (B, 3, Y, X), sides divisible by 32."""
        u4, u8, u16, dense = self.features(x)
        self.dense = dense.float()
        code = self.code(self.dense).to(u4.dtype)
        code8 = F.avg_pool2d(code, 2)
        quarters = F.pixel_unshuffle(F.avg_pool2d(self.dense.to(u4.dtype), 2), 2)
        return [
            torch.cat([u4, code], 1),
            torch.cat([u8, code8], 1),
            torch.cat([u16, F.avg_pool2d(code8, 2), quarters], 1),
        ]


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
