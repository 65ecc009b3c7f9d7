"""Generated large images, a cheap segmenter with a model's edge effects, and the tiled run in memory."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_sam2_automask.large.tiles.compose import compose
from napari_sam2_automask.large.tiles.grid import Box
from napari_sam2_automask.large.tiles.seam_rule import make_plan
from napari_sam2_automask.large.tiles.seams import SEAM_FIELDS, TILE_FIELDS, seam_rows, tile_result


def cells(shape, seed=0, radius=9, spacing=26, large=6, noise=12.0):
    """Return a uint8 image of cells, some touching, a few larger than a tile's overlap, and the truth."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(shape, np.int32)
    n = 0
    for _ in range(large):
        n += 1
        y, x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        angle, length, width = rng.uniform(0, np.pi), rng.uniform(90, 420), rng.uniform(18, 60)
        _ellipse(truth, n, y, x, length / 2, width / 2, angle)
    for gy in np.arange(spacing / 2, shape[0], spacing):
        for gx in np.arange(spacing / 2, shape[1], spacing):
            y, x = np.array([gy, gx]) + rng.normal(0, spacing / 7, 2)
            if rng.random() < 0.85:
                n += 1
                a, b = radius * rng.uniform(0.6, 1.4, 2)
                _ellipse(truth, n, y, x, a, b, rng.uniform(0, np.pi))
    # A dark line between touching objects, as membranes make one.
    inside = (truth > 0) & (ndimage.maximum_filter(truth, 3) == ndimage.minimum_filter(truth, 3))
    brightness = rng.uniform(110, 200, n + 1)
    image = np.where(inside, brightness[truth], 30.0) + rng.normal(0, noise, shape)
    return np.clip(image, 0, 255).astype(np.uint8), np.where(inside, truth, 0)


def _ellipse(truth, n, y, x, a, b, angle):
    reach = int(max(a, b)) + 2
    y0, x0 = max(0, int(y) - reach), max(0, int(x) - reach)
    part = truth[y0 : int(y) + reach + 1, x0 : int(x) + reach + 1]
    dy, dx = np.mgrid[: part.shape[0], : part.shape[1]].astype(float)
    dy, dx = dy + y0 - y, dx + x0 - x
    u, v = dy * np.cos(angle) + dx * np.sin(angle), dx * np.cos(angle) - dy * np.sin(angle)
    part[(u / a) ** 2 + (v / b) ** 2 < 1] = n


def segment_tile(view):
    """Threshold and connected components; the threshold depends on the tile, as a model's answer does."""
    smooth = ndimage.gaussian_filter(view.astype(np.float32), 1.0)
    low, high = np.percentile(smooth, [5, 95])
    labels, count = ndimage.label(smooth > low + 0.35 * (high - low))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    labels[sizes[labels] < 20] = 0
    ids = np.unique(labels[labels > 0])
    return labels, ids % 97 / 97


def tiled(image, grid, segmenter=segment_tile, failed=()):
    """Return labels and plan of a tiled run held in memory; `image` is (P, Y, X) or (Y, X)."""
    stack = image if image.ndim == 3 else image[None]
    results = {}
    for t in grid:
        if t.index not in failed:
            box = t.outer
            results[t.index] = tile_result(
                grid, t, *segmenter(stack[t.plane, box.y0 : box.y1, box.x0 : box.x1])
            )
    rows = [np.zeros(0, SEAM_FIELDS)]
    for t in grid:
        for other in grid.later_neighbours(t.index):
            if t.index in results and other in results:
                rows.append(seam_rows(t, grid[other], results[t.index].labels, results[other].labels))
    table = np.concatenate([np.zeros(0, TILE_FIELDS), *(r.table for r in results.values())])
    plan = make_plan(grid, table, np.concatenate(rows), failed)
    whole = Box(0, 0, *grid.shape)
    out = [
        compose(grid, plan, p, whole, lambda i: results[i].labels if i in results else None)
        for p in range(grid.planes)
    ]
    return np.stack(out) if image.ndim == 3 else out[0], plan
