"""Candidates of several passes over one image as one set, and parts of a set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.candidates.logit_windows import LogitWindows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask.candidates.candidates import Candidates

__all__ = ["pool", "take", "take_inside"]

#: An object belongs to a region if this share of it lies inside.
INSIDE = 0.5

_COLUMNS = ("predicted_iou", "stability_score", "points", "boxes", "area")


def pool(parts: Sequence[Candidates]) -> Candidates:
    """Put candidates found in one image, by the same model, into one set, best predicted IoU first.

    Parameters
    ----------
    parts : sequence of Candidates
        At least one; of images of the same shape. Settings, floor and model are those of the first.

    Returns
    -------
    Candidates
        All of them; those of equal crops count as of one crop. It is complete if all parts are.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    crops: dict[tuple[int, ...], int] = {}
    crop_index = np.concatenate(
        [
            np.array([crops.setdefault(tuple(box), len(crops)) for box in p.crop_boxes.tolist()])[
                p.crop_index
            ]
            for p in parts
        ]
    )
    removed: Counter[str] = Counter()
    for part in parts:
        removed.update({name: int(n) for name, n in part.removed.items()})
    columns: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS}
    measured = [p.brightness for p in parts if p.brightness is not None]
    together = replace(
        first,
        **columns,
        brightness=np.concatenate(measured) if len(measured) == len(parts) else None,
        crop_index=crop_index.astype(np.int32),
        crop_boxes=np.array(list(crops), np.int64).reshape(-1, 4),
        windows=LogitWindows.pool([p.windows for p in parts]),
        complete=all(p.complete for p in parts),
        removed=dict(removed),
        prompts=(sum(p.prompts[0] for p in parts), sum(p.prompts[1] for p in parts)),
    )
    return take(together, np.argsort(-together.predicted_iou, kind="stable"))


def take(candidates: Candidates, rows: NDArray[np.integer]) -> Candidates:
    """Return some candidates, in the order of `rows`, as a set of their own."""
    changed: dict[str, Any] = {name: getattr(candidates, name)[rows] for name in (*_COLUMNS, "crop_index")}
    if candidates.brightness is not None:
        changed["brightness"] = candidates.brightness[rows]
    return replace(candidates, **changed, windows=candidates.windows.take(rows))


def take_inside(candidates: Candidates, mask: NDArray[np.bool_] | None) -> Candidates:
    """Return the candidates that lie in a mask of the image (Y, X) by half of their area at least.

    All of them where there is no mask.
    """
    if mask is None:
        return candidates
    inside = np.zeros(len(candidates), bool)
    for row in range(len(candidates)):
        y0, x0, own = candidates.mask(row)
        under = mask[y0 : y0 + own.shape[0], x0 : x0 + own.shape[1]]
        inside[row] = np.count_nonzero(own & under) >= INSIDE * np.count_nonzero(own)
    return take(candidates, np.flatnonzero(inside))
