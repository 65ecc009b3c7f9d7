"""Masks made by hand for tests of what comes after the selection."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from napari_sam2_automask.selection.selecting import Masks
from napari_sam2_automask.settings.amg import AmgSettings


def make_masks(shape, full_masks, *, ids=None, settings=None, removed=None):
    """Make `Masks` of full-size bool arrays; ids count up from 1, the predicted IoU falls with the id."""
    full_masks = [np.asarray(mask, bool) for mask in full_masks]
    ids = list(range(1, len(full_masks) + 1)) if ids is None else ids
    boxes, arrays = [], []
    for mask in full_masks:
        ys, xs = np.nonzero(mask)
        x0, y0, x1, y1 = xs.min(), ys.min(), xs.max(), ys.max()
        boxes.append((x0, y0, x1, y1))
        arrays.append(mask[y0 : y1 + 1, x0 : x1 + 1])
    n = len(full_masks)
    ids = np.array(ids, dtype=np.int64).reshape(n)
    return Masks(
        shape=shape,
        ids=ids,
        rows=ids - 1,
        boxes=np.array(boxes, dtype=np.int64).reshape(n, 4),
        areas=np.array([mask.sum() for mask in full_masks], dtype=np.int64),
        arrays=tuple(arrays),
        predicted_iou=(1 - np.argsort(np.argsort(ids)) / 100).astype(np.float32),
        stability_score=np.full(n, 0.97, dtype=np.float32),
        points=np.array([(x0 + 0.5, y0 + 0.25) for x0, y0, *_ in boxes], dtype=np.float32).reshape(n, 2),
        crop_boxes=np.tile(np.array([[0, 0, shape[1], shape[0]]], dtype=np.int64), (n, 1)),
        settings=settings or AmgSettings(),
        candidates=SimpleNamespace(object_diameter=0.0, disagreement=0.0),
        removed=removed or {},
    )


def rectangle(shape, y0, x0, y1, x1):
    """Return a full-size mask that is true in rows y0 to y1 - 1 and columns x0 to x1 - 1."""
    mask = np.zeros(shape, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def random_masks(shape, n, seed=0):
    """Return n full-size random masks: blobs, specks, and masks that touch the borders."""
    rng = np.random.default_rng(seed)
    masks = []
    while len(masks) < n:
        y0, x0 = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        y1, x1 = rng.integers(y0 + 1, shape[0] + 1), rng.integers(x0 + 1, shape[1] + 1)
        mask = np.zeros(shape, dtype=bool)
        mask[y0:y1, x0:x1] = rng.random((y1 - y0, x1 - x0)) < rng.choice([0.3, 0.9, 1.0])
        if mask.any():
            masks.append(mask)
    return masks
