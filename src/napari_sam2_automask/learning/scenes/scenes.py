"""Generated images for what the photographs lack.

Other shapes, textures, polarities, crowding, nested parts. Every scene is a function of a random generator
and gives an image and one or three label maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi

from napari_sam2_automask.learning.scenes.canvas import (
    SIZE,
    Array,
    Canvas,
    Labels,
    Rng,
    Scene,
    background,
    fill,
    finish,
    object_size,
)
from napari_sam2_automask.learning.scenes.cells import bacteria, blood, droplets, tissue
from napari_sam2_automask.learning.scenes.lettering import write_on
from napari_sam2_automask.learning.scenes.shapes import Stamp, blob, curve, noise, polygon, rod

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["SCENES", "draw"]


def nuclei(rng: Rng) -> Scene:
    """Bright blobs on a dark field, touching and overlapping, of unequal brightness."""
    canvas = Canvas(background(rng, 0.1, 0.12))
    radius = object_size(rng)
    rough, bumps = rng.uniform(0, 0.5), rng.uniform(0, 0.12)
    texture = noise(rng, SIZE, radius, 1.5)

    def paint(stamp: Stamp) -> Array:
        h, w = stamp.mask.shape
        y, x = rng.integers(0, max(1, SIZE - h)), rng.integers(0, max(1, SIZE - w))
        grain = np.resize(texture[y : y + h, x : x + w], (h, w))
        return (rng.uniform(0.3, 0.9) * (0.6 + 0.4 * stamp.dome) * (1 - rough * grain)).astype(np.float32)

    fill(
        rng,
        canvas,
        radius,
        lambda r: blob(rng, r, 2.2, bumps),
        paint,
        rng.uniform(0, 0.35),
        rng.uniform(0.7, 1),
    )
    return finish(rng, canvas.image, rng.uniform(0.4, 2), rng.uniform(0, 0.04)), [canvas.labels]


def particles(rng: Rng) -> Scene:
    """Bodies as an electron microscope shows them: shaded, faceted or flat, piled up, on any ground."""
    transmission = rng.random() < 0.45
    ground = rng.uniform(0.6, 0.85) if transmission else rng.uniform(0.1, 0.5)
    canvas = Canvas(background(rng, ground, rng.uniform(0.05, 0.5)))
    radius = max(9.0, object_size(rng))
    kind = int(rng.integers(4))
    rim, light, relief = rng.uniform(0, 0.5), rng.uniform(0, 6.3), rng.uniform(0, 0.7)
    level = rng.uniform(0.05, 0.45) if transmission else rng.uniform(0.45, 0.9)

    def shape(r: float) -> Stamp:
        if kind == 0:
            return blob(rng, r, 1.25, 0.02)
        if kind == 1:
            return polygon(rng, r * 1.2)
        if kind == 2:
            return rod(rng, r * 0.5, r * rng.uniform(2, 7))
        return (blob(rng, r, 1.8, 0.08), polygon(rng, r))[int(rng.integers(2))]

    def paint(stamp: Stamp) -> Array:
        gy, gx = np.gradient(ndi.gaussian_filter(stamp.dome, 1.0))
        slope = (gy * np.sin(light) + gx * np.cos(light)) * stamp.mask.shape[0] / 6
        edge = np.exp(-stamp.depth * 8) * rim
        grain = ndi.gaussian_filter(rng.standard_normal(stamp.mask.shape).astype(np.float32), 1.2) * 0.12
        body = level + rng.normal(0, 0.06) + relief * np.tanh(slope) * 0.5 + grain
        shaded = body + (-edge if transmission and rng.random() < 0.5 else edge)
        return np.asarray(shaded, np.float32)

    piled = rng.uniform(0.0, 0.6)
    mix = rng.uniform(0.5, 0.9) if transmission else 1.0
    fill(rng, canvas, radius, shape, paint, piled, mix)
    return finish(rng, canvas.image, rng.uniform(0.3, 1.5), rng.uniform(0, 0.1)), [canvas.labels]


def phase(rng: Rng) -> Scene:
    """Cells or bacteria hardly different from the ground inside, with a dark or bright rim and a halo."""
    canvas = Canvas(background(rng, 0.5, 0.1))
    radius = object_size(rng)
    rods = rng.random() < 0.55
    inside, texture = rng.choice([-0.25, -0.12, 0.0, 0.12]), rng.uniform(0, 0.25)

    def shape(r: float) -> Stamp:
        if rods:
            return rod(rng, max(3.0, r * 0.4), r * rng.uniform(1.5, 5))
        return blob(rng, r, 3.0, 0.14)

    def paint(stamp: Stamp) -> Array:
        grain = ndi.gaussian_filter(rng.standard_normal(stamp.mask.shape).astype(np.float32), 1.0) * texture
        return np.asarray(0.5 + inside + grain, np.float32)

    fill(rng, canvas, radius, shape, paint, rng.uniform(0, 0.15))
    outside = ndi.distance_transform_edt(canvas.labels == 0).astype(np.float32)
    # Touching objects have rims too: distance to the nearest change of label.
    change = ndi.morphological_gradient(canvas.labels, size=3) > 0
    depth = ndi.distance_transform_edt(~change).astype(np.float32)
    halo, rim, reach = rng.uniform(0.1, 0.4), rng.uniform(-0.4, 0.3), rng.uniform(2, 7)
    image = canvas.image + halo * np.exp(-outside / reach) * (canvas.labels == 0)
    image += rim * np.exp(-depth / rng.uniform(0.8, 3)) * (canvas.labels > 0)
    return finish(rng, image, rng.uniform(0.3, 1.2), rng.uniform(0, 0.05)), [canvas.labels]


def mosaic(rng: Rng) -> Scene:
    """Cells that fill the frame, parted by membranes; now and then with nuclei, or with gaps."""
    radius = max(8.0, object_size(rng))
    n = int(np.clip((SIZE / (2 * radius)) ** 2, 6, 900))
    seeds = rng.uniform(0, SIZE, (n, 2))
    warp = [(noise(rng, SIZE, radius * 2, radius / 2) - 0.5) * radius for _ in range(2)]
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    points = np.stack([(y + warp[0]).ravel(), (x + warp[1]).ravel()], 1)
    from scipy.spatial import cKDTree

    distance, nearest = cKDTree(seeds).query(points, k=2)
    gap = (distance[:, 1] - distance[:, 0]).reshape(SIZE, SIZE).astype(np.float32)
    cells = (nearest[:, 0].reshape(SIZE, SIZE) + 1).astype(np.int32)
    wall = rng.uniform(1.0, 4.0)
    missing = rng.random(n + 1) < (0.3 if rng.random() < 0.4 else 0.0)
    cells[missing[cells]] = 0
    cells[gap < wall] = 0
    tone = rng.normal(0, rng.uniform(0, 0.12), n + 1).astype(np.float32)
    image = 0.3 + tone[cells] + 0.15 * noise(rng, SIZE, radius, 2) * (cells > 0)
    image += rng.uniform(0.25, 0.6) * np.exp(-((gap / (wall + 0.5)) ** 2))
    parts = np.zeros_like(cells)
    if rng.random() < 0.4:
        canvas = Canvas(image.astype(np.float32))
        for i, (cy, cx) in enumerate(seeds, 1):
            if not missing[i]:
                stamp = blob(rng, radius * rng.uniform(0.3, 0.5), 1.5, 0.05)
                canvas.put(stamp, cy, cx, np.full(stamp.mask.shape, rng.uniform(0.5, 0.9), np.float32), 0.8)
        image, parts = canvas.image, np.where(cells > 0, canvas.labels, 0)
    levels = [cells, cells, parts] if parts.any() else [cells]
    return finish(rng, image.astype(np.float32), rng.uniform(0.4, 1.5), rng.uniform(0, 0.06)), levels


def nested(rng: Rng) -> Scene:
    """Clusters of cells with nuclei: whole, object and part."""
    canvas = Canvas(background(rng, 0.15, 0.2))
    nucleus = np.zeros_like(canvas.labels)
    cluster = np.zeros_like(canvas.labels)
    radius = rng.uniform(16, 48)
    level, inner = rng.uniform(0.3, 0.6), rng.uniform(-0.25, 0.35)
    for c in range(1, int(rng.integers(3, 9))):
        heart = rng.uniform(0, SIZE, 2)
        for _ in range(int(rng.integers(1, 7))):
            y, x = heart + rng.normal(0, radius * 0.9, 2)
            stamp = blob(rng, radius * rng.uniform(0.7, 1.2), 1.8, 0.08)
            if canvas.covered(stamp, y, x) > 0.25:
                continue
            value = (level + rng.normal(0, 0.05)) * (0.8 + 0.2 * stamp.dome)
            canvas.put(stamp, y, x, value.astype(np.float32), 0.9)
            here, there = canvas.place(stamp, y, x)
            mask = stamp.mask[there]
            cluster[here][mask], nucleus[here][mask] = c, 0
            core = blob(rng, radius * rng.uniform(0.25, 0.45), 1.4, 0.04)
            here, there = canvas.place(core, y, x)
            mask = core.mask[there] & (canvas.labels[here] == canvas.count)
            nucleus[here][mask] = canvas.count
            canvas.image[here][mask] += inner
    image = finish(rng, canvas.image, rng.uniform(0.5, 1.5), rng.uniform(0, 0.05))
    return image, [cluster, canvas.labels, nucleus]


def filaments(rng: Rng) -> Scene:
    """Lines and bodies; the lines are objects too."""
    image, [labels] = nuclei(rng) if rng.random() < 0.6 else particles(rng)
    image, labels = image.copy(), labels.copy()
    for _ in range(int(rng.integers(2, 9))):
        line = curve(rng, SIZE, rng.uniform(2.0, 6.0))
        image[line] = image[line] * 0.2 + rng.uniform(0.3, 1.0) * 0.8
        labels[line] = labels.max() + 1
    return finish(rng, image, 0.7, 0.01), [labels]


def textures(rng: Rng) -> Scene:
    """Bodies that differ from their surroundings in texture, or only slightly in brightness."""
    a, b = (noise(rng, SIZE, rng.uniform(4, 80), rng.uniform(1.2, 4)) for _ in range(2))
    b += rng.choice([-0.3, -0.15, 0.15, 0.3])
    canvas = Canvas(a)
    labels_only = Canvas(np.zeros_like(a))
    radius = max(12.0, object_size(rng))
    fill(rng, labels_only, radius, lambda r: (blob(rng, r, 2, 0.1), polygon(rng, r))[int(rng.integers(2))],
          lambda s: s.depth, 0.1)  # fmt: skip
    image = np.where(labels_only.labels > 0, b, canvas.image)
    rim = ndi.morphological_gradient(labels_only.labels, size=3) > 0
    image = image + rng.uniform(-0.4, 0.4) * rim
    return finish(rng, image.astype(np.float32), rng.uniform(0.3, 1), 0.01), [labels_only.labels]


SCENES: tuple[tuple[Callable[[Rng], Scene], float], ...] = (
    (nuclei, 0.1),
    (particles, 0.3),
    (phase, 0.14),
    (mosaic, 0.1),
    (nested, 0.05),
    (filaments, 0.05),
    (textures, 0.05),
    (droplets, 0.06),
    (bacteria, 0.06),
    (tissue, 0.05),
    (blood, 0.04),
)


def draw(rng: Rng) -> tuple[NDArray[np.uint8], list[Labels]]:
    """Draw one image of any of the scenes, and its labels at one or three levels."""
    scenes, shares = zip(*SCENES, strict=True)
    scene = scenes[rng.choice(len(scenes), p=np.array(shares))]
    image, levels = scene(rng)
    low, high = np.percentile(image, [0.2, 99.8])
    image = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    if image.ndim == 2 and rng.random() < 0.3:
        dark, bright = rng.uniform(0, 0.6, 3), rng.uniform(0.4, 1, 3)
        image = dark + (bright - dark) * image[..., None]
    pixels = (image * 255).astype(np.uint8)
    if scene is particles and rng.random() < 0.4:
        levels = write_on(rng, pixels, levels)
    return pixels, levels
