"""Training windows: where they are cut, and which points and boxes are asked in them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage as ndi

from napari_sam2_automask.engine.points.fitted_grid import window as looked_at
from napari_sam2_automask.learning.scenes.lettering import write_on
from napari_sam2_automask.learning.windows.colours import Colours, disturb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.learning.windows.training_image import TrainingImage

__all__ = ["FRAME", "dense_targets", "seen_scale", "window"]

FRAME = 512
"""Side of the model's input."""
UNIT = 32.0
"""Pixels per unit of centre offset, as in the trunk."""
SMALLEST = 24
"""Objects with fewer pixels than this are never asked for."""
LETTERED = 0.06
"""Share of the fully annotated windows that get a scale bar and letters, which are no objects."""


def seen_scale(record: TrainingImage) -> float:
    """Frame pixels per image pixel as a run that is fitted to the objects shows them to the model."""
    return FRAME / looked_at(max(record.image.shape[:2]), record.diameter)[0]


def _scale(record: TrainingImage, rng: np.random.Generator) -> float:
    """Frame pixels per image pixel: near how the whole image would be shown, or aimed at an object size."""
    natural = FRAME / max(record.image.shape[:2])
    if record.alike and rng.random() < 0.7:
        return seen_scale(record) * math.exp(rng.uniform(math.log(0.75), math.log(1.4)))
    if rng.random() < 0.5:
        return float(natural * math.exp(rng.uniform(math.log(0.7), math.log(2.4))))
    return float(math.exp(rng.uniform(math.log(11), math.log(110))) / record.diameter)


def window(
    record: TrainingImage,
    size: int,
    prompts: int,
    rng: np.random.Generator,
    varied: bool = True,
    boxes: int = 1,
) -> dict[str, NDArray[Any]] | None:
    """Cut one window and choose its points and boxes; None when it holds nothing to ask for."""
    height, width = record.image.shape[:2]
    wanted = _scale(record, rng) if varied else FRAME / max(height, width)
    scale = min(max(wanted, 0.35), 6.0)
    aspect = math.exp(rng.normal(0, 0.12)) if varied else 1.0
    sy = max(scale * aspect, size / height)
    sx = max(scale / aspect, size / width)
    # A tile smaller than the window is enlarged, by nearly the same factor in both directions.
    sy, sx = max(sy, sx / 1.5), max(sx, sy / 1.5)
    ph, pw = min(height, round(size / sy)), min(width, round(size / sx))
    y0, x0 = rng.integers(0, height - ph + 1), rng.integers(0, width - pw + 1)

    rows = y0 + ((np.arange(size) + 0.5) * ph / size).astype(int)
    cols = x0 + ((np.arange(size) + 0.5) * pw / size).astype(int)
    levels = [lab[rows][:, cols] for lab in record.levels]
    trusted = np.ones((size, size), bool) if record.complete is None else record.complete[rows][:, cols]
    image = record.image[y0 : y0 + ph, x0 : x0 + pw]
    image = Colours(record, rng)(image) if varied else _three(image)
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True, align_corners=False)
    image = pixels[0].permute(1, 2, 0).numpy()
    image = disturb(image, rng) if varied else image

    turns, flip = int(rng.integers(4)), bool(rng.random() < 0.5)
    image, levels = _turn(image, turns, flip), [_turn(lab, turns, flip) for lab in levels]
    trusted = _turn(trusted, turns, flip)
    if varied and record.negatives >= 1 and rng.random() < LETTERED:
        image = image.copy()
        levels = write_on(rng, image, levels)
    points = _points(
        levels, trusted if record.negatives >= 1 else trusted & False, prompts, rng, record.weights
    )
    if points is None:
        return None
    origin = 16 * rng.integers(0, (FRAME - size) // 16 + 1, 2)
    # Three maps always: what the three masks should show. With one level all three show the object.
    maps = levels if len(levels) == 3 else [levels[0]] * 3
    return {
        "image": np.ascontiguousarray(image),
        "maps": np.stack(maps).astype(np.int16),
        "dense": dense_targets(levels[min(1, len(levels) - 1)], record.weights),
        "points": points,
        **_boxes(maps, boxes, rng, record.weights),
        "origin": origin.astype(np.float32),
        "negatives": (record.negatives * trusted[2::4, 2::4]).astype(np.float32),
        "outlines": np.array(record.outlines, np.float32),
    }


def _three(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a gray image three channels."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)


def _turn(a: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    a = np.rot90(a, turns)
    return a[:, ::-1] if flip else a


def _points(
    levels: list[NDArray[Any]],
    trusted: NDArray[np.bool_],
    prompts: int,
    rng: np.random.Generator,
    weights: Mapping[int, float],
) -> NDArray[np.float32] | None:
    """Points to ask, rows (x, y, id at each of three levels); background points have ids 0.

    They lie where unlabelled pixels can be trusted.
    """
    objects = levels[min(1, len(levels) - 1)]
    flat = objects.ravel()
    counts = np.bincount(flat)
    ids = _asked(counts, weights)
    if not ids.size:
        return None
    background = np.flatnonzero((flat == 0) & trusted.ravel())
    n_back = int(rng.binomial(prompts, 0.33)) if trusted.any() else 0
    if background.size < 100:
        n_back = 0
    order = np.argsort(flat, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    wanted = prompts - n_back
    share = None
    if weights:
        share = np.array([weights.get(int(i), 1.0) for i in ids])
        share /= share.sum()
    chosen = rng.choice(ids, wanted, replace=wanted > ids.size, p=share)
    where = [order[starts[i] + rng.integers(counts[i])] for i in chosen]
    where += list(rng.choice(background, n_back)) if n_back else []
    index = np.array(where)
    y, x = np.divmod(index, objects.shape[1])
    maps = levels if len(levels) == 3 else [levels[0]] * 3
    columns = [x, y, *[m[y, x] for m in maps]]
    return np.stack(columns, 1).astype(np.float32)


def _asked(counts: NDArray[np.intp], weights: Mapping[int, float]) -> NDArray[np.intp]:
    """Return the labels that are large enough to be asked for, and count for something."""
    ids = np.flatnonzero(counts >= SMALLEST)
    return np.array([i for i in ids if i > 0 and weights.get(int(i), 1.0) > 0], np.intp)


def _boxes(
    maps: list[NDArray[Any]], n: int, rng: np.random.Generator, weights: Mapping[int, float]
) -> dict[str, NDArray[Any]]:
    """Choose boxes around whole objects, objects or parts, shaken as a hand would draw them.

    Returns
    -------
    dict of ndarray
        ``boxes``, float32, shape (n, 5): first and last pixel x0, y0, x1, y1, and the label inside;
        ``box_level``, int64: in which of the three maps.
    """
    level = 1 if weights else int(rng.integers(3))
    if np.bincount(maps[level].ravel())[1:].max(initial=0) < SMALLEST:
        level = 1
    size = maps[level].shape[0]
    counts = np.bincount(maps[level].ravel())
    ids = _asked(counts, weights)
    places = ndi.find_objects(maps[level])
    chosen = rng.choice(ids, n, replace=n > ids.size)
    out = []
    for i in chosen:
        rows, cols = places[i - 1]
        corners = np.array([cols.start, rows.start, cols.stop - 1, rows.stop - 1], np.float32)
        sides = np.tile(corners[2:] - corners[:2] + 1, 2)
        shake = np.clip(rng.normal(0, 0.06, 4) * sides, -12, 12) * (rng.random() < 0.8)
        out.append([*np.clip(corners + shake, 0, size - 1), i])
    return {"boxes": np.array(out, np.float32), "box_level": np.array(level)}


def dense_targets(labels: NDArray[Any], weights: Mapping[int, float] | None = None) -> NDArray[np.float32]:
    """Make what the trunk's dense head should say.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        Objects.
    weights : mapping of int to float, optional
        How much single objects count.

    Returns
    -------
    ndarray of float32, shape (5, Y/4, X/4)
        Share of the cell that is object; offset (y, x) to the object's centre in units of 32 pixels; log of
        the radius over 16 pixels; weight of these three.
    """
    size_y, size_x = labels.shape
    flat = labels.ravel()
    count = np.maximum(np.bincount(flat), 1).astype(np.float64)
    y, x = np.divmod(np.arange(flat.size), size_x)
    cy, cx = np.bincount(flat, y) / count, np.bincount(flat, x) / count
    radius = np.sqrt(count / np.pi)
    here = (labels > 0).reshape(size_y // 4, 4, size_x // 4, 4).mean((1, 3))
    cell = labels[2::4, 2::4]
    gy, gx = np.meshgrid(np.arange(size_y // 4) * 4 + 1.5, np.arange(size_x // 4) * 4 + 1.5, indexing="ij")
    weight = (cell > 0) / (3.0 + 0.5 * radius[cell])
    if weights:
        counts_for = np.ones(len(count))
        for label, value in weights.items():
            if label < len(count):
                counts_for[label] = value
        weight = weight * counts_for[cell]
    parts = [here, (cy[cell] - gy) / UNIT, (cx[cell] - gx) / UNIT, np.log(radius[cell] / 16), weight]
    return np.stack(parts).astype(np.float32)
