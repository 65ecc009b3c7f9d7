"""Logits in half precision give the masks of single precision, pixel by pixel."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from candidate_factory import random_candidates

from napari_sam2_automask.candidates.logit_windows import STORED, halve
from napari_sam2_automask.candidates.pooling import pool, take
from napari_sam2_automask.geometry.bilinear import Axis, resize_window
from napari_sam2_automask.settings.amg import AmgSettings

CROPS = [(0, 0, 160, 110), (30, 20, 121, 97)]


def both(threshold: float = 0.0, seed: int = 0):
    settings = AmgSettings(
        pred_iou_thresh=0.5, stability_score_thresh=0.3, mask_threshold=threshold, crop_n_layers=1
    )
    kwargs = {"settings": settings, "seed": seed, "crops": CROPS, "holes": True}
    return (random_candidates((110, 160), 40, half=half, **kwargs) for half in (False, True))


def same_masks(one, other, rows=None) -> None:
    for k, row in enumerate(range(len(one)) if rows is None else rows):
        (y, x, a), (v, u, b) = one.mask(row), other.mask(k)
        assert (y, x) == (v, u)
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("threshold", [0.0, 1.5, -0.3])
def test_masks_are_those_of_single_precision(threshold: float) -> None:
    single, half = both(threshold)
    assert half.windows.values.dtype == STORED
    assert half.windows.values.nbytes * 2 == single.windows.values.nbytes
    same_masks(single, half)


def test_without_repairs_some_pixels_would_move() -> None:
    """Logits close to the threshold everywhere, so that rounding matters."""
    rng = np.random.default_rng(0)
    windows = [rng.normal(3.0, 0.004, (20, 20)).astype(np.float32) for _ in range(5)]
    axes = Axis.make(64, 190), Axis.make(64, 77)
    origins = [(0, 0), (44, 44), (10, 30), (0, 44), (44, 0)]
    halves, repairs = halve(windows, origins, axes, 3.0)
    assert sum(len(r) for r in repairs) > 10
    for window, rounded, origin, moved in zip(windows, halves, origins, repairs, strict=True):
        py, px = (axis.inside(o, o + 20) for axis, o in zip(axes, origin, strict=True))
        part = py[0], px[0], py[1], px[1]
        right = resize_window(window, origin, axes, part) > np.float32(3.0)
        mask = resize_window(rounded.astype(np.float32), origin, axes, part) > np.float32(3.0)
        found = {(int(y), int(x)) for y, x in np.argwhere(right != mask) + np.array([py[0], px[0]])}
        assert found == {(int(y), int(x)) for y, x in moved}


def test_some_and_pooled_candidates_keep_their_repairs() -> None:
    single, half = both(seed=2)
    rows = np.array([7, 3, 11, 0])
    same_masks(single, take(half, rows), rows)
    pooled = pool([half, take(half, rows)])
    order = np.argsort(-np.concatenate([half.predicted_iou, half.predicted_iou[rows]]), kind="stable")
    same_masks(single, pooled, np.concatenate([np.arange(len(half)), rows])[order])


def test_a_logit_beyond_half_precision_stays_on_its_side() -> None:
    windows = [np.array([[1e6, -1e6], [1e6, 1e6]], np.float32)]
    axes = Axis.make(2, 8), Axis.make(2, 8)
    (rounded,), _ = halve(windows, [(0, 0)], axes, 0.0)
    assert np.isfinite(rounded).all()
    np.testing.assert_array_equal(rounded > 0, windows[0] > 0)


def test_bytes_are_counted_with_repairs() -> None:
    _, half = both()
    windows = half.windows
    whole = windows.counts.sum()
    assert whole == windows.values.nbytes + windows.repairs.nbytes
    bare = dataclasses.replace(windows, repairs=windows.repairs[:0])
    assert bare.counts.sum() == windows.values.nbytes
