"""Candidates made without a model: smooth blobs of logits, measured as the engine measures them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_sam2_automask.candidates.candidates import Candidates, Floor, LogitWindows
from napari_sam2_automask.candidates.logit_windows import halve
from napari_sam2_automask.geometry.bilinear import Axis, resize_window
from napari_sam2_automask.settings.amg import AmgSettings


@dataclass(frozen=True)
class Blob:
    """An ellipse: centre and half axes in image pixels, steepness in logits per relative radius."""

    y: float
    x: float
    ry: float
    rx: float
    iou: float
    steep: float = 12.0
    crop: int = 0


def make_candidates(
    shape, blobs, *, grid=64, settings=None, floor=None, crops=None, noise=0.0, seed=0, lowest=None, half=True
):
    """Make `Candidates` of ellipses with a little smooth noise on their logits; best predicted IoU first.

    With `half` their logits are stored as the engine stores them, else as files of the first version do.
    """
    settings = settings or AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.5)
    crops = np.array(crops or [(0, 0, shape[1], shape[0])], np.int64)
    lowest = settings.mask_threshold - settings.stability_score_offset if lowest is None else lowest
    rng = np.random.default_rng(seed)
    made = [_make(blob, crops[blob.crop], grid, settings, lowest, noise, rng) for blob in blobs]
    rows = [row for row in made if row is not None]
    order = np.argsort(-np.array([row[0].iou for row in rows], np.float32), kind="stable")
    rows = [rows[i] for i in order]
    windows, repairs = [row[2] for row in rows], np.zeros((0, 3), np.int32)
    if half:
        windows, repairs = _halved(rows, crops, grid, settings.mask_threshold)
    return Candidates(
        shape=shape,
        predicted_iou=np.array([row[0].iou for row in rows], np.float32),
        stability_score=np.array([row[5] for row in rows], np.float32),
        points=np.array([(row[0].x, row[0].y) for row in rows], np.float32).reshape(-1, 2),
        boxes=np.array([row[3] for row in rows], np.int64).reshape(-1, 4),
        area=np.array([row[4] for row in rows], np.int64),
        crop_index=np.array([row[0].crop for row in rows], np.int32),
        crop_boxes=crops,
        windows=LogitWindows(
            grid=(grid, grid),
            origins=np.array([row[1] for row in rows], np.int32).reshape(-1, 2),
            sizes=np.array([w.shape for w in windows], np.int32).reshape(-1, 2),
            offsets=np.concatenate([[0], np.cumsum([w.size for w in windows])]).astype(np.int64),
            values=np.concatenate([w.ravel() for w in windows]) if windows else np.zeros(0, np.float16),
            lowest=lowest,
            repairs=repairs,
        ),
        settings=settings,
        floor=floor or Floor.of(settings),
        model={"name": "blobs"},
        prompts=(len(blobs), len(blobs)),
    )


def _halved(rows, crops, grid, threshold):
    """Half-precision windows of all candidates, and the pixels that their rounding moves."""
    windows, repairs = [], [np.zeros((0, 3), np.int32)]
    for k, row in enumerate(rows):
        x0, y0, x1, y1 = (int(v) for v in crops[row[0].crop])
        axes = Axis.make(grid, y1 - y0), Axis.make(grid, x1 - x0)
        (window,), (moved,) = halve([row[2]], [row[1]], axes, threshold)
        windows.append(window)
        repairs.append(np.insert(moved + np.array([y0, x0]), 0, k, axis=1).astype(np.int32))
    return windows, np.concatenate(repairs)


def random_candidates(shape, n, seed=0, *, grid=64, sizes=(4, 40), holes=False, **more):
    """Make about n candidates: objects, second looks at them, parts inside them."""
    rng = np.random.default_rng(seed)
    blobs = []
    while len(blobs) < n:
        ry, rx = np.exp(rng.uniform(np.log(sizes[0]), np.log(sizes[1]), 2))
        y, x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        iou, steep = rng.uniform(0.55, 1), rng.uniform(4, 40)
        blobs.append(Blob(y, x, ry, rx, iou, steep))
        if rng.random() < 0.5:
            blobs.append(Blob(y + rng.normal() * 0.4, x, ry * 1.02, rx, rng.uniform(0.55, 1), steep))
        if rng.random() < 0.4:
            blobs.append(Blob(y, x + rx / 4, ry / 2, rx / 2, rng.uniform(0.55, 1), steep))
    return make_candidates(shape, blobs[:n], grid=grid, noise=4.0 if holes else 0.4, seed=seed, **more)


def _make(blob, crop, grid, settings, lowest, noise, rng):
    x0, y0, x1, y1 = (int(v) for v in crop)
    ys = (np.arange(grid) + 0.5) * (y1 - y0) / grid + y0
    xs = (np.arange(grid) + 0.5) * (x1 - x0) / grid + x0
    reach = np.hypot((ys[:, None] - blob.y) / blob.ry, (xs[None] - blob.x) / blob.rx)
    wobble = noise * np.sin(ys[:, None] / blob.ry * 3 + rng.uniform(0, 6)) * np.cos(xs[None] / blob.rx * 3)
    logits = (blob.steep * (1 - reach) + wobble).clip(-30, 30).astype(np.float32)
    used = logits > lowest
    if not used.any():
        return None
    rows, columns = np.flatnonzero(used.any(1)), np.flatnonzero(used.any(0))
    oy, ox = max(int(rows[0]) - 1, 0), max(int(columns[0]) - 1, 0)
    window = logits[oy : int(rows[-1]) + 2, ox : int(columns[-1]) + 2].copy()
    axes = Axis.make(grid, y1 - y0), Axis.make(grid, x1 - x0)
    py, px = axes[0].inside(oy, oy + window.shape[0]), axes[1].inside(ox, ox + window.shape[1])
    full = resize_window(window, (oy, ox), axes, (py[0], px[0], py[1], px[1]))
    counts = [np.count_nonzero(full > np.float32(t)) for t in _levels(settings)]
    if counts[1] == 0:
        return None
    mask = full > np.float32(settings.mask_threshold)
    my, mx = np.flatnonzero(mask.any(1)) + py[0] + y0, np.flatnonzero(mask.any(0)) + px[0] + x0
    box = int(mx[0]), int(my[0]), int(mx[-1]), int(my[-1])
    return blob, (oy, ox), window, box, counts[1], counts[0] / counts[2]


def _levels(settings):
    threshold, offset = settings.mask_threshold, settings.stability_score_offset
    return threshold + offset, threshold, threshold - offset
