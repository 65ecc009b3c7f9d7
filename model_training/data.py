"""Training windows: where they are cut, how their contrast is varied, and which points are asked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage as ndi
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from model_training.lettering import write_on
from model_training.records import SHARES, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Windows", "dense_targets"]

FRAME = 512
"""Side of the model's input."""
UNIT = 32.0
"""Pixels per unit of centre offset, as in the trunk."""
SMALLEST = 24
"""Objects with fewer pixels than this are never asked for."""
LETTERED = 0.06
"""Share of the fully annotated windows that get a scale bar and letters, which are no objects."""


class Windows(IterableDataset[dict[str, Tensor]]):
    """Endless batches of windows of the model's input frame.

    A window is a square of `size` pixels somewhere in the 512 x 512 frame; a smaller one costs less and looks
    the same to the network, because its offset is given to the position encoding.

    Parameters
    ----------
    records : sequence of Record
        Where windows are cut from.
    size, batch, prompts, boxes : int
        Side of the window, windows in a batch, points and boxes asked in each.
    seed : int
        The stream's seed; the worker's number is added to it.
    varied : bool
        Whether contrast, colour, size and noise vary; off where a model only has to learn a few images.
    """

    def __init__(
        self,
        records: Sequence[Record],
        size: int,
        batch: int,
        prompts: int,
        seed: int,
        varied: bool = True,
        boxes: int = 1,
    ) -> None:
        self.varied = varied
        self.kinds: dict[str, list[Record]] = {}
        for record in records:
            self.kinds.setdefault(record.kind, []).append(record)
        self.size, self.batch, self.prompts, self.boxes = size, batch, prompts, boxes
        self.seed = seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        torch.set_num_threads(1)
        info = get_worker_info()
        rng = np.random.default_rng((self.seed, info.id if info else 0))
        names = list(self.kinds)
        p = np.array([SHARES[n] for n in names])
        p /= p.sum()
        while True:
            batch: list[dict[str, NDArray[Any]]] = []
            while len(batch) < self.batch:
                pool = self.kinds[names[rng.choice(len(names), p=p)]]
                record = pool[rng.integers(len(pool))]
                item = window(record, self.size, self.prompts, rng, self.varied, self.boxes)
                if item is not None:
                    batch.append(item)
            yield {k: torch.from_numpy(np.stack([b[k] for b in batch])) for k in batch[0]}


def _scale(record: Record, rng: np.random.Generator) -> float:
    """Frame pixels per image pixel: near how the whole image would be shown, or aimed at an object size."""
    natural = FRAME / max(record.image.shape[:2])
    if rng.random() < 0.5:
        return float(natural * math.exp(rng.uniform(math.log(0.7), math.log(2.4))))
    return float(math.exp(rng.uniform(math.log(11), math.log(110))) / record.diameter)


def window(
    record: Record, size: int, prompts: int, rng: np.random.Generator, varied: bool = True, boxes: int = 1
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
    image = record.image[y0 : y0 + ph, x0 : x0 + pw]
    image = _colours(record, rng)(image) if varied else _three(image)
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True, align_corners=False)
    image = pixels[0].permute(1, 2, 0).numpy()
    image = _disturb(image, rng) if varied else image

    turns, flip = int(rng.integers(4)), bool(rng.random() < 0.5)
    image, levels = _turn(image, turns, flip), [_turn(lab, turns, flip) for lab in levels]
    if varied and record.negatives >= 1 and rng.random() < LETTERED:
        image = image.copy()
        levels = write_on(rng, image, levels)
    points = _points(levels, record.negatives, prompts, rng)
    if points is None:
        return None
    origin = 16 * rng.integers(0, (FRAME - size) // 16 + 1, 2)
    # Three maps always: what the three masks should show. With one level all three show the object.
    maps = levels if len(levels) == 3 else [levels[0]] * 3
    return {
        "image": np.ascontiguousarray(image),
        "maps": np.stack(maps).astype(np.int16),
        "dense": dense_targets(levels[min(1, len(levels) - 1)]),
        "points": points,
        **_boxes(maps, boxes, rng),
        "origin": origin.astype(np.float32),
        "negatives": np.array(record.negatives, np.float32),
        "outlines": np.array(record.outlines, np.float32),
    }


def _three(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a gray image three channels."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)


def _turn(a: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    a = np.rot90(a, turns)
    return a[:, ::-1] if flip else a


class _colours:
    """Contrast, polarity and colour of one window, as one look-up table per channel."""

    def __init__(self, record: Record, rng: np.random.Generator) -> None:
        image = record.image
        self.order = np.arange(3)
        low, high = 0.0, 255.0
        if (image.ndim == 2 or record.kind == "fluorescence") and rng.random() < 0.85:
            part = image[:: max(1, image.shape[0] // 128), :: max(1, image.shape[1] // 128)]
            low, high = np.percentile(part, [rng.uniform(0, 1.5), rng.uniform(98.5, 100)])
        ramp = np.clip((np.arange(256) - low) / max(high - low, 6.0), 0, 1)
        ramp = ramp ** math.exp(rng.normal(0, 0.3))
        if rng.random() < 0.25:
            ramp = 1 - ramp
        colour = image.ndim == 3
        self.gray = colour and rng.random() < 0.2
        tint = rng.random() < (0.5 if colour else 0.12)
        if colour and rng.random() < 0.12:
            self.order = rng.permutation(3)
        # Other dyes and lamps: each channel a mixture of all three.
        self.mix = None
        if colour and rng.random() < 0.25:
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
        if patch.ndim == 2:
            return np.stack([t[patch] for t in self.tables], -1)
        if self.mix is not None:
            patch = np.clip(patch @ self.mix.T, 0, 255).astype(np.uint8)
        out = np.stack([t[patch[..., c]] for t, c in zip(self.tables, self.order, strict=True)], -1)
        if self.gray:
            out = np.repeat(out.mean(-1, keepdims=True), 3, -1).astype(np.uint8)
        return out


def _disturb(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
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


def _points(
    levels: list[NDArray[Any]], negatives: float, prompts: int, rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """Points to ask, rows (x, y, id at each of three levels); background points have ids 0."""
    objects = levels[min(1, len(levels) - 1)]
    flat = objects.ravel()
    counts = np.bincount(flat)
    ids = np.flatnonzero(counts >= SMALLEST)
    ids = ids[ids > 0]
    if not ids.size:
        return None
    n_back = int(rng.binomial(prompts, 0.33)) if negatives >= 1 else 0
    background = np.flatnonzero(flat == 0)
    if background.size < 100:
        n_back = 0
    order = np.argsort(flat, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    wanted = prompts - n_back
    chosen = rng.choice(ids, wanted, replace=wanted > ids.size)
    where = [order[starts[i] + rng.integers(counts[i])] for i in chosen]
    where += list(rng.choice(background, n_back)) if n_back else []
    index = np.array(where)
    y, x = np.divmod(index, objects.shape[1])
    maps = levels if len(levels) == 3 else [levels[0]] * 3
    columns = [x, y, *[m[y, x] for m in maps]]
    return np.stack(columns, 1).astype(np.float32)


def _boxes(maps: list[NDArray[Any]], n: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Choose boxes around whole objects, objects or parts, shaken as a hand would draw them.

    Returns
    -------
    dict of ndarray
        ``boxes``, float32, shape (n, 5): first and last pixel x0, y0, x1, y1, and the label inside;
        ``box_level``, int64: in which of the three maps.
    """
    level = int(rng.integers(3))
    if np.bincount(maps[level].ravel())[1:].max(initial=0) < SMALLEST:
        level = 1
    size = maps[level].shape[0]
    counts = np.bincount(maps[level].ravel())
    ids = np.flatnonzero(counts >= SMALLEST)
    ids = ids[ids > 0]
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


def dense_targets(labels: NDArray[Any]) -> NDArray[np.float32]:
    """Make what the trunk's dense head should say.

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
    parts = [here, (cy[cell] - gy) / UNIT, (cx[cell] - gx) / UNIT, np.log(radius[cell] / 16), weight]
    return np.stack(parts).astype(np.float32)
