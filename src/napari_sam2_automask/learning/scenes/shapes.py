"""Outlines and textures that generated images are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

__all__ = ["Stamp", "blob", "curve", "noise", "polygon", "rod"]

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stamp:
    """A shape in its own small frame.

    Attributes
    ----------
    mask : ndarray of bool, shape (y, x)
        Where it is.
    depth : ndarray of float32, shape (y, x)
        0 at the outline, 1 at the innermost point.
    """

    mask: NDArray[np.bool_]
    depth: Array

    @property
    def dome(self) -> Array:
        """Height of a rounded body."""
        return np.sqrt(np.clip(1 - (1 - self.depth) ** 2, 0, 1)).astype(np.float32)


def _stamp(mask: NDArray[np.bool_]) -> Stamp:
    depth = ndi.distance_transform_edt(mask).astype(np.float32)
    return Stamp(mask, depth / max(float(depth.max()), 1.0))


def _frame(radius: float) -> tuple[Array, Array]:
    n = math.ceil(radius) + 1
    y, x = np.mgrid[-n : n + 1, -n : n + 1].astype(np.float32)
    return y, x


def blob(rng: np.random.Generator, radius: float, stretch: float = 1.5, bumps: float = 0.08) -> Stamp:
    """Draw an ellipse whose radius wavers with the angle; `bumps` 0 gives a clean one."""
    long = math.exp(rng.uniform(0, math.log(stretch)) / 2)
    y, x = _frame(radius * long * (1 + 3 * bumps))
    turn = rng.uniform(0, math.pi)
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    angle = np.arctan2(v * long, u / long)
    limit = np.ones_like(x)
    for k in range(2, 6):
        limit += bumps * rng.normal() / (k - 1) * np.cos(k * angle + rng.uniform(0, 6.3))
    return _stamp(np.hypot(u / long, v * long) < radius * np.clip(limit, 0.4, 1.6))


def polygon(rng: np.random.Generator, radius: float) -> Stamp:
    """Draw a convex polygon of three to eight sides, mostly regular; sometimes with rounded corners."""
    sides = int(rng.integers(3, 9))
    y, x = _frame(radius * 1.35)
    spread = 0.0 if rng.random() < 0.5 else 0.25
    turns = (
        rng.uniform(0, 6.3) + (np.arange(sides) + rng.normal(0, spread, sides) * 0.5) * 2 * math.pi / sides
    )
    away = radius * (0.9 + rng.normal(0, spread * 0.4, sides)) * (0.8 if sides > 4 else 0.62)
    walls = [x * math.cos(t) + y * math.sin(t) - a for t, a in zip(turns, away, strict=True)]
    inside = np.max(walls, axis=0) < 0
    if rng.random() < 0.4:
        inside &= np.hypot(y, x) < radius * 0.95
    return _stamp(inside if inside.any() else np.hypot(y, x) < radius)


def rod(rng: np.random.Generator, radius: float, length: float, turn: float | None = None) -> Stamp:
    """Draw a capsule, straight or bent; `radius` is half its width, `turn` its angle, random if None."""
    y, x = _frame(length / 2 + radius)
    turn = rng.uniform(0, math.pi) if turn is None else turn
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    v = v - rng.normal(0, 0.25) * (u**2 / max(length, 1) - length / 12)
    over = np.maximum(np.abs(u) - max(length / 2 - radius, 0), 0)
    square = rng.random() < 0.25
    return _stamp((np.maximum(over, np.abs(v)) if square else np.hypot(over, v)) < radius)


def curve(rng: np.random.Generator, size: int, width: float) -> NDArray[np.bool_]:
    """Draw a wandering line through a frame of `size` pixels."""
    n = size * 2
    heading = rng.uniform(0, 6.3) + np.cumsum(rng.normal(0, 0.02, n) + rng.normal(0, 0.004))
    y = rng.uniform(0, size) + np.cumsum(np.sin(heading))
    x = rng.uniform(0, size) + np.cumsum(np.cos(heading))
    keep = slice(0, int(rng.integers(size // 3, n)))
    y, x = y[keep].astype(int), x[keep].astype(int)
    ok = (y >= 0) & (y < size) & (x >= 0) & (x < size)
    away = np.ones((size, size), dtype=bool)
    away[y[ok], x[ok]] = False
    line: NDArray[np.bool_] = ndi.distance_transform_edt(away) < width
    return line


def noise(rng: np.random.Generator, size: int, coarse: float = 64.0, fine: float = 2.0) -> Array:
    """Smooth noise of several sizes added up, between 0 and 1."""
    out = np.zeros((size, size), np.float32)
    scale = coarse
    while scale >= fine:
        n = max(2, round(size / scale)) + 1
        grid = rng.standard_normal((n, n)).astype(np.float32)
        out += ndi.zoom(grid, size / n, order=1, mode="nearest", grid_mode=True)[
            :size, :size
        ] * scale ** rng.uniform(0.2, 0.8)
        scale /= rng.uniform(2.0, 3.5)
    out -= out.min()
    return out / max(float(out.max()), 1e-6)
