"""Contrast, colours and noise of training windows, varied."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.learning.windows.training_image import TrainingImage

__all__ = ["Colours", "disturb"]


class Colours:
    """Contrast, polarity and colour of one window, as one look-up table per channel.

    Images that look like those to come (`TrainingImage.alike`) keep their polarity and the order of their
    colours.
    """

    def __init__(self, record: TrainingImage, rng: np.random.Generator) -> None:
        image = record.image
        self.order = np.arange(3)
        low, high = 0.0, 255.0
        if (image.ndim == 2 or record.kind == "fluorescence") and rng.random() < 0.85:
            part = image[:: max(1, image.shape[0] // 128), :: max(1, image.shape[1] // 128)]
            low, high = np.percentile(part, [rng.uniform(0, 1.5), rng.uniform(98.5, 100)])
        ramp = np.clip((np.arange(256) - low) / max(high - low, 6.0), 0, 1)
        ramp = ramp ** math.exp(rng.normal(0, 0.3))
        if rng.random() < (0.0 if record.alike else 0.25):
            ramp = 1 - ramp
        colour = image.ndim == 3
        other = colour and not record.alike
        self.gray = other and rng.random() < 0.2
        tint = rng.random() < (0.5 if colour else 0.12)
        if other and rng.random() < 0.12:
            self.order = rng.permutation(3)
        # Other dyes and lamps: each channel a mixture of all three.
        self.mix = None
        if other and rng.random() < 0.25:
            mix = np.eye(3) + rng.normal(0, 0.25, (3, 3))
            self.mix = (mix / mix.sum(1, keepdims=True).clip(0.4)).astype(np.float32)
        tables = []
        base = (rng.uniform(-0.12, 0.12), rng.uniform(0.55, 1.1)) if rng.random() < 0.6 else (0.0, 1.0)
        for _ in range(3):
            shift, gain = base
            if tint:
                shift, gain = shift + rng.normal(0, 0.05), gain * math.exp(rng.normal(0, 0.15))
            table = 0.5 + (ramp - 0.5) * gain + shift
            tables.append(np.clip(table * 255, 0, 255).astype(np.uint8))
        self.tables = tables if colour or tint else [tables[0]] * 3

    def __call__(self, patch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Show a patch, shape (Y, X) or (Y, X, 3), in these colours, (Y, X, 3)."""
        if patch.ndim == 2:
            return np.stack([t[patch] for t in self.tables], -1)
        if self.mix is not None:
            patch = np.clip(patch @ self.mix.T, 0, 255).astype(np.uint8)
        out = np.stack([t[patch[..., c]] for t, c in zip(self.tables, self.order, strict=True)], -1)
        if self.gray:
            out = np.repeat(out.mean(-1, keepdims=True), 3, -1).astype(np.uint8)
        return out


def disturb(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, uneven light and noise, each now and then."""
    if rng.random() < 0.5:
        return image
    size = image.shape[0]
    out = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    if rng.random() < 0.4:
        small = round(size / rng.uniform(1.3, 3.0))
        out = F.interpolate(out, (small, small), mode="bilinear", antialias=True, align_corners=False)
        out = F.interpolate(out, (size, size), mode="bilinear", align_corners=False)
    if rng.random() < 0.4:
        grid = torch.from_numpy(rng.normal(0, rng.uniform(5, 30), (1, 1, 3, 3)).astype(np.float32))
        out = out + F.interpolate(grid, (size, size), mode="bilinear", align_corners=True)
    if rng.random() < 0.6:
        channels = 1 if rng.random() < 0.6 else 3
        noise = rng.standard_normal((1, channels, size, size), dtype=np.float32)
        out = out + torch.from_numpy(noise * np.float32(rng.uniform(2, 18)))
    return out[0].clamp(0, 255).byte().permute(1, 2, 0).numpy()
