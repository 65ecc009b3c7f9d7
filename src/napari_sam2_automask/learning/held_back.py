"""How well weights answer on what is held back, while they learn: quick, and the same prompts every time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage as ndi

from napari_sam2_automask.learning.network.decode import encode, masks_of
from napari_sam2_automask.learning.places import inside
from napari_sam2_automask.learning.windows.windows import FRAME, seen_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sam2.modeling.sam2_base import SAM2Base

    from napari_sam2_automask.learning.lessons import Lesson

__all__ = ["HeldBack"]

_WINDOWS = 24
"""At most so many windows: a second's work for some dozens of objects."""


class HeldBack:
    """Windows around what is held back, each with a point inside every object.

    Parameters
    ----------
    lessons : sequence of Lesson
        Some with a part that is held back.
    size : int
        Side of the windows.
    """

    def __init__(self, lessons: Sequence[Lesson], size: int) -> None:
        self._windows: list[dict[str, Any]] = []
        with_some = [lesson for lesson in lessons if lesson.held_objects]
        each = max(1, _WINDOWS // max(1, len(with_some)))
        for lesson in with_some:
            self._windows += _windows_of(lesson, size, each)

    def __len__(self) -> int:
        return sum(len(window["ids"]) for window in self._windows)

    @torch.no_grad()
    def score(self, model: SAM2Base) -> float:
        """Return the mean IoU of the objects with the mask that the model itself takes for the best.

        Parameters
        ----------
        model : SAM2Base
            In the form of the bundled one, with the weights to judge.

        Returns
        -------
        float
            0 to 1; NaN if weights are not finite.
        """
        device = next(model.parameters()).device
        found: list[float] = []
        for window in self._windows:
            origin = torch.tensor(window["origin"], device=device)[None]
            features = encode(model, window["image"].to(device)[None], origin)
            points = window["points"].to(device)[None, :, None]
            said = torch.ones(points.shape[:3], dtype=torch.int, device=device)
            logits, quality = masks_of(model, features, points, said, origin, half=False)
            if not bool(torch.isfinite(logits).all()):
                return math.nan
            best = quality[:, 1:].argmax(1) + 1
            masks = logits[torch.arange(len(best), device=device), best] > 0
            truth = window["cells"].to(device)[None] == window["ids"].to(device)[:, None, None]
            both, either = (masks & truth).sum((1, 2)), (masks | truth).sum((1, 2))
            found += (both / either.clamp(min=1)).tolist()
        return float(np.mean(found)) if found else 0.0


def _windows_of(lesson: Lesson, size: int, most: int) -> list[dict[str, Any]]:
    left = set(lesson.held_objects)
    labels = lesson.whole.objects
    places = ndi.find_objects(labels)
    windows: list[dict[str, Any]] = []
    for label in lesson.held_objects:
        if label not in left or len(windows) == most:
            continue
        window = _window(lesson, size, places[label - 1], left)
        left -= {label, *window["ids"].tolist()}
        if len(window["ids"]):
            windows.append(window)
    return windows


def _window(lesson: Lesson, size: int, place: tuple[slice, slice], wanted: set[int]) -> dict[str, Any]:
    """Cut the window around an object, as large as a run would show it, and ask inside those wanted."""
    labels = lesson.whole.objects
    height, width = labels.shape
    scale = max(seen_scale(lesson.whole), size / height, size / width)
    ph, pw = min(height, round(size / scale)), min(width, round(size / scale))
    y0, x0 = (
        int(np.clip((s.start + s.stop) // 2 - p // 2, 0, n - p))
        for s, p, n in zip(place, (ph, pw), (height, width), strict=True)
    )
    rows = y0 + ((np.arange(size) + 0.5) * ph / size).astype(int)
    cols = x0 + ((np.arange(size) + 0.5) * pw / size).astype(int)
    shown = labels[rows][:, cols]
    pixels = torch.from_numpy(
        np.ascontiguousarray(lesson.view[y0 : y0 + ph, x0 : x0 + pw].transpose(2, 0, 1))
    )
    image = F.interpolate(pixels[None], (size, size), mode="bilinear", antialias=True, align_corners=False)
    ids, points = inside(shown, wanted)
    middle = 16 * ((FRAME - size) // 32)
    return {
        "image": image[0].permute(1, 2, 0).contiguous(),
        "origin": np.array([middle, middle], np.float32),
        "ids": torch.tensor(ids, dtype=torch.int64),
        "points": torch.tensor(points, dtype=torch.float32).reshape(-1, 2),
        "cells": torch.from_numpy(shown[2::4, 2::4].astype(np.int64)),
    }
