"""What generated images are drawn on: image and labels side by side, and how a frame is filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_sam2_automask.learning.scenes.shapes import Stamp, noise

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SIZE",
    "Array",
    "Canvas",
    "Labels",
    "Rng",
    "Scene",
    "background",
    "fill",
    "finish",
    "object_size",
    "positions",
]

SIZE = 448
Array = NDArray[np.float32]
Labels = NDArray[np.int32]
Scene = tuple[Array, list[Labels]]
Rng = np.random.Generator


class Canvas:
    """Image and labels that shapes are put on."""

    def __init__(self, ground: Array) -> None:
        self.image = ground
        self.labels = np.zeros((SIZE, SIZE), np.int32)
        self.count = 0

    def place(self, stamp: Stamp, y: float, x: float) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Windows of the canvas and of the stamp, centred at (y, x)."""
        h, w = stamp.mask.shape
        y0, x0 = int(y) - h // 2, int(x) - w // 2
        top, left = max(0, -y0), max(0, -x0)
        bottom, right = min(h, SIZE - y0), min(w, SIZE - x0)
        bottom, right = max(bottom, top), max(right, left)
        return (
            (slice(y0 + top, y0 + bottom), slice(x0 + left, x0 + right)),
            (slice(top, bottom), slice(left, right)),
        )

    def covered(self, stamp: Stamp, y: float, x: float) -> float:
        """Share of the stamp that would lie on earlier ones."""
        here, there = self.place(stamp, y, x)
        mask = stamp.mask[there]
        return float((self.labels[here][mask] > 0).mean()) if mask.any() else 1.0

    def put(self, stamp: Stamp, y: float, x: float, value: Array, mix: float = 1.0) -> None:
        """Draw and label one object; `mix` below 1 lets what lies below show through."""
        here, there = self.place(stamp, y, x)
        mask = stamp.mask[there]
        self.count += 1
        self.labels[here][mask] = self.count
        view = self.image[here]
        view[mask] = view[mask] * (1 - mix) + value[there][mask] * mix


def positions(rng: Rng, n: int, radius: float) -> list[tuple[float, float]]:
    """Spread evenly, or in clusters."""
    if rng.random() < 0.5:
        return [tuple(rng.uniform(0, SIZE, 2)) for _ in range(n)]
    hearts = rng.uniform(0, SIZE, (max(2, n // 10), 2))
    width = radius * rng.uniform(2, 5)
    return [tuple(hearts[rng.integers(len(hearts))] + rng.normal(0, width, 2)) for _ in range(n)]


def object_size(rng: Rng) -> float:
    """Draw a typical radius in pixels."""
    return float(np.exp(rng.uniform(np.log(6), np.log(48))))


def fill(
    rng: Rng, canvas: Canvas, radius: float, shape: Callable[[float], Stamp], paint: Callable[[Stamp], Array],
    overlap: float, mix: float = 1.0,
) -> None:  # fmt: skip
    """Try to place objects until the frame is as full as chance wants it."""
    room = (SIZE / radius) ** 2 / 4
    n = int(np.clip(room * rng.uniform(0.15, 1.6), 3, 500))
    spread = rng.uniform(0.02, 0.35)
    for y, x in positions(rng, n, radius):
        stamp = shape(radius * float(np.exp(rng.normal(0, spread))))
        if canvas.covered(stamp, y, x) <= overlap:
            canvas.put(stamp, y, x, paint(stamp), mix)


def background(rng: Rng, level: float, depth: float) -> Array:
    """Make an even, smooth or grainy ground."""
    kind = rng.random()
    base = np.full((SIZE, SIZE), level, np.float32)
    if kind < 0.35:
        return base
    return base + depth * (noise(rng, SIZE, rng.uniform(20, 200), 8 if kind < 0.7 else 1.5) - 0.5)


def finish(rng: Rng, image: Array, blur: float, grain: float) -> Array:
    """Blur and add noise."""
    image = ndi.gaussian_filter(image, blur)
    return image + rng.standard_normal(image.shape).astype(np.float32) * grain
