"""Scenes of the microscope that photographs at hand lack: droplets, colonies, stained tissue, blood."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from napari_sam2_automask.learning.scenes.canvas import (
    SIZE,
    Array,
    Canvas,
    Rng,
    Scene,
    background,
    fill,
    finish,
    object_size,
)
from napari_sam2_automask.learning.scenes.shapes import Stamp, blob, noise, rod

__all__ = ["bacteria", "blood", "droplets", "tissue"]


def droplets(rng: Rng) -> Scene:
    """Round bodies as clear as their surroundings, told by one or two rims and a glint."""
    canvas = Canvas(background(rng, 0.5, 0.15))
    radius = object_size(rng)
    dark, bright = rng.uniform(0.15, 0.5), rng.uniform(0, 0.4)
    width, inside = rng.uniform(1.0, 3.5), rng.choice([-0.12, 0.0, 0.0, 0.12])
    glint, where = rng.uniform(0, 0.4) * (rng.random() < 0.6), rng.uniform(-0.4, 0.4, 2)
    outer_bright = rng.random() < 0.5

    def paint(stamp: Stamp) -> Array:
        r = max(stamp.mask.shape) / 2
        away = stamp.depth * r
        rim = -dark * np.exp(-(((away - width) / width) ** 2))
        second = bright * np.exp(-(((away - 3 * width) / width) ** 2))
        y, x = np.mgrid[-1 : 1 : stamp.mask.shape[0] * 1j, -1 : 1 : stamp.mask.shape[1] * 1j]
        spot = glint * np.exp(-((y - where[0]) ** 2 + (x - where[1]) ** 2) / 0.05)
        value = 0.5 + inside + (rim + second if outer_bright else second - rim) + spot
        return np.asarray(value, np.float32)

    fill(rng, canvas, radius, lambda r: blob(rng, r, 1.1, 0.01), paint, rng.uniform(0, 0.12))
    return finish(rng, canvas.image, rng.uniform(0.4, 1.5), rng.uniform(0, 0.05)), [canvas.labels]


def bacteria(rng: Rng) -> Scene:
    """Colonies of thin rods lying side by side, or of round ones; bright or dark, some with a halo."""
    canvas = Canvas(background(rng, 0.4, 0.1))
    radius = rng.uniform(3.5, 9)
    long = radius * rng.uniform(1.0, 1.3) if rng.random() < 0.25 else radius * rng.uniform(3, 9)
    level, spread = rng.choice([-0.3, -0.15, 0.2, 0.4]), rng.uniform(0.05, 0.6)
    for _ in range(int(rng.integers(1, 9))):
        heart, heading = rng.uniform(0, SIZE, 2), rng.uniform(0, np.pi)
        reach = long * rng.uniform(0.4, 3)
        for _ in range(int(rng.integers(2, 60))):
            y, x = heart + rng.normal(0, reach, 2)
            turn = heading + rng.normal(0, spread)
            stamp = rod(rng, radius * rng.uniform(0.85, 1.15), long * rng.uniform(0.6, 1.4), turn)
            if canvas.covered(stamp, y, x) > 0.06:
                continue
            body = 0.4 + level * (0.5 + 0.5 * stamp.dome) * rng.uniform(0.8, 1.1)
            canvas.put(stamp, y, x, np.asarray(body, np.float32))
    outside = ndi.distance_transform_edt(canvas.labels == 0).astype(np.float32)
    halo = np.sign(-level) * rng.uniform(0.05, 0.3) * (rng.random() < 0.5)
    image = canvas.image + halo * np.exp(-outside / rng.uniform(1.5, 5)) * (canvas.labels == 0)
    return finish(rng, image.astype(np.float32), rng.uniform(0.4, 1.6), rng.uniform(0, 0.06)), [canvas.labels]


def _stained(rng: Rng, amounts: list[Array], colours: list[Array], blur: float, grain: float) -> Array:
    """Light through layers of dye: each takes off its colours in proportion to its amount."""
    depth = sum(
        ndi.gaussian_filter(np.maximum(a, 0), blur)[..., None] * c
        for a, c in zip(amounts, colours, strict=True)
    )
    image = rng.uniform(0.85, 1.0) * np.exp(-np.asarray(depth, np.float32))
    return np.asarray(image + rng.standard_normal(image.shape) * grain, np.float32)


def _dye(rng: Rng, *absorbed: float) -> Array:
    """Amounts of red, green and blue that a dye takes off, varied."""
    return (np.array(absorbed) * np.exp(rng.normal(0, 0.25, 3))).astype(np.float32)


def tissue(rng: Rng) -> Scene:
    """Purple nuclei with grainy chromatin in pink fibrous tissue with clear holes."""
    radius = float(np.exp(rng.uniform(np.log(7), np.log(28))))
    canvas = Canvas(np.zeros((SIZE, SIZE), np.float32))
    chromatin = noise(rng, SIZE, radius / 2, 1.5)
    contrast, rim = rng.uniform(0.1, 0.8), rng.uniform(0, 0.5)

    def paint(stamp: Stamp) -> Array:
        h, w = stamp.mask.shape
        y, x = rng.integers(0, max(1, SIZE - h)), rng.integers(0, max(1, SIZE - w))
        grain = np.resize(chromatin[y : y + h, x : x + w], (h, w)) - 0.5
        value = rng.uniform(0.5, 1.2) * (1 + contrast * grain + rim * np.exp(-stamp.depth * 6))
        return np.asarray(value, np.float32)

    fill(rng, canvas, radius, lambda r: blob(rng, r, 2.4, 0.06), paint, rng.uniform(0, 0.25))
    fibres = noise(rng, SIZE, rng.uniform(20, 120), 1.5)
    fibres = ndi.gaussian_filter(fibres, (rng.uniform(0, 4), rng.uniform(0, 4))) * rng.uniform(0.3, 1.2)
    holes = noise(rng, SIZE, rng.uniform(60, 200), 20) > rng.uniform(0.6, 1.0)
    fibres[holes & (canvas.labels == 0)] *= 0.1
    haze = rng.uniform(0, 0.4) * noise(rng, SIZE, radius * 3, radius)
    dyes = [_dye(rng, 0.9, 1.1, 0.5), _dye(rng, 0.1, 0.8, 0.35)]
    image = _stained(rng, [canvas.image + haze, fibres], dyes, rng.uniform(0.4, 1.8), rng.uniform(0, 0.03))
    return image, [canvas.labels]


def blood(rng: Rng) -> Scene:
    """Pale red cells with a hollow, and among them white cells with purple, often lobed nuclei."""
    canvas = Canvas(np.zeros((SIZE, SIZE), np.float32))
    nucleus = np.zeros((SIZE, SIZE), np.int32)
    dye = np.zeros((SIZE, SIZE), np.float32)
    radius = rng.uniform(14, 40)
    hollow, pale = rng.uniform(0, 0.7), rng.uniform(0.25, 0.8)

    def red(stamp: Stamp) -> Array:
        return np.asarray(pale * (1 - hollow * stamp.dome**2) * rng.uniform(0.85, 1.15), np.float32)

    if rng.random() < 0.75:
        fill(rng, canvas, radius, lambda r: blob(rng, r, 1.3, 0.02), red, rng.uniform(0, 0.3), 0.9)
    for _ in range(int(rng.integers(1, 7))):
        y, x = rng.uniform(0, SIZE, 2)
        cell = blob(rng, radius * rng.uniform(1.2, 1.9), 1.3, 0.04)
        if canvas.covered(cell, y, x) > 0.4:
            continue
        canvas.put(cell, y, x, np.full(cell.mask.shape, rng.uniform(0.1, 0.5), np.float32))
        here, there = canvas.place(cell, y, x)
        dye[here][cell.mask[there]] = rng.uniform(0, 0.15)
        nucleus[here][cell.mask[there]] = 0
        for _ in range(int(rng.integers(1, 4))):
            lobe = blob(rng, radius * rng.uniform(0.45, 0.85), 1.8, 0.06)
            here, there = canvas.place(lobe, *(np.array([y, x]) + rng.normal(0, radius * 0.3, 2)))
            mask = lobe.mask[there] & (canvas.labels[here] == canvas.count)
            nucleus[here][mask] = canvas.count
            dye[here][mask] = rng.uniform(0.7, 1.3) * (0.8 + 0.2 * lobe.dome[there][mask])
    dyes = [_dye(rng, 0.12, 0.7, 0.45), _dye(rng, 0.9, 1.1, 0.4)]
    image = _stained(rng, [canvas.image, dye], dyes, rng.uniform(0.4, 1.5), rng.uniform(0, 0.03))
    return image, [canvas.labels, canvas.labels.copy(), nucleus]
