"""Selecting: NMS, thresholds, small regions, and what cannot be selected any more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from napari_sam2_automask.candidates.candidates import Candidates, Floor, LogitWindows
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.geometry.bilinear import Axis, resize_window
from napari_sam2_automask.geometry.holes_and_islands import mend
from napari_sam2_automask.selection.selecting import non_maximum_suppression, select
from napari_sam2_automask.settings.amg import AmgSettings

SETTINGS = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.5)


def candidates_of(masks: list[np.ndarray], scores: list[float], crops: list[int] | None = None) -> Candidates:
    """Candidates whose logits have the size of the image, so that masks are what they are drawn as."""
    shape = masks[0].shape
    order = np.argsort([-s for s in scores], kind="stable")
    arrays = [masks[i] for i in order]
    boxes = []
    for mask in arrays:
        ys, xs = np.nonzero(mask)
        boxes.append([xs.min(), ys.min(), xs.max(), ys.max()])
    n = len(arrays)
    values = np.concatenate([np.where(m, 5.0, -5.0).astype(np.float32).ravel() for m in arrays])
    crop_boxes = [[0, 0, shape[1], shape[0]]]
    if crops is not None:
        crop_boxes.append([0, 0, shape[1], shape[0] - 1])
    return Candidates(
        shape=shape,
        predicted_iou=np.array(scores, np.float32)[order],
        stability_score=np.full(n, 0.9, np.float32),
        points=np.zeros((n, 2), np.float32),
        boxes=np.array(boxes, np.int64),
        area=np.array([m.sum() for m in arrays], np.int64),
        crop_index=np.zeros(n, np.int32) if crops is None else np.array(crops, np.int32)[order],
        crop_boxes=np.array(crop_boxes, np.int64),
        windows=LogitWindows(
            grid=shape,
            origins=np.zeros((n, 2), np.int32),
            sizes=np.tile(np.array(shape, np.int32), (n, 1)),
            offsets=np.arange(n + 1, dtype=np.int64) * shape[0] * shape[1],
            values=values,
            lowest=-1.0,
        ),
        settings=SETTINGS,
        floor=Floor.of(SETTINGS),
    )


def square(y: int, x: int, side: int, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("count", [0, 1, 30, 1500])
def test_same_as_torchvision(seed: int, threshold: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    # Whole numbers, so that equal boxes, boxes without area and IoUs of exactly the threshold occur.
    corner = rng.integers(0, 30, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 12, (count, 2))], 1)
    scores = rng.permutation(count).astype(np.float32)
    kept = non_maximum_suppression(boxes, scores, threshold)
    expected = batched_nms(
        torch.from_numpy(boxes).float(), torch.from_numpy(scores), torch.zeros(count), threshold
    )
    assert kept.tolist() == expected.tolist()


def test_equal_scores_keep_the_earlier() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 8]])
    assert non_maximum_suppression(boxes, np.ones(3, np.float32), 0.5).tolist() == [0]


def test_the_better_of_two_overlapping_masks_stays() -> None:
    found = candidates_of([square(5, 5, 20), square(6, 5, 20), square(2, 30, 8)], [0.7, 0.9, 0.6])
    masks = select(found, SETTINGS)
    assert masks.predicted_iou.tolist() == pytest.approx([0.9, 0.6])
    assert masks.ids.tolist() == [1, 3]
    assert masks.removed["box NMS"] == 1
    assert np.array_equal(masks.full(0), square(6, 5, 20))
    assert masks.boxes[1].tolist() == [30, 2, 37, 9]
    assert masks.areas.tolist() == [400, 64]


def test_ids_do_not_change_with_thresholds() -> None:
    found = candidates_of([square(0, 0, 9), square(20, 20, 9), square(0, 30, 9)], [0.6, 0.7, 0.8])
    assert select(found, SETTINGS).ids.tolist() == [1, 2, 3]
    assert select(found, SETTINGS.replace(pred_iou_thresh=0.75)).ids.tolist() == [1]
    assert select(found, SETTINGS.replace(pred_iou_thresh=0.65)).ids.tolist() == [1, 2]


def test_thresholds_compare_like_the_reference() -> None:
    """Predicted IoU must exceed its threshold, stability may equal it; both in single precision."""
    found = candidates_of([square(0, 0, 9), square(20, 20, 9)], [0.6, 0.7])
    assert len(select(found, SETTINGS.replace(pred_iou_thresh=0.6))) == 1
    assert len(select(found, SETTINGS.replace(stability_score_thresh=0.9))) == 2
    masks = select(found, SETTINGS.replace(stability_score_thresh=0.91))
    assert (len(masks), masks.removed["stability"]) == (0, 2)


def test_masks_of_smaller_crops_are_preferred() -> None:
    found = candidates_of([square(5, 5, 20), square(6, 5, 20)], [0.9, 0.6], crops=[0, 1])
    masks = select(found, SETTINGS)
    assert masks.predicted_iou.tolist() == pytest.approx([0.6])
    assert masks.removed["crop NMS"] == 1
    assert masks.crop_boxes.tolist() == [[0, 0, 50, 39]]


def test_no_candidates() -> None:
    found = candidates_of([square(0, 0, 9)], [0.6])
    masks = select(found, SETTINGS.replace(pred_iou_thresh=1.0, min_mask_region_area=10))
    assert len(masks) == 0 and masks.arrays == () and masks.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"pred_iou_thresh": 0.4}, "pred_iou_thresh"),
        ({"stability_score_thresh": 0.4}, "stability_score_thresh"),
        ({"mask_threshold": -1.5}, "mask_threshold"),
        ({"points_per_side": 8}, "points_per_side"),
        ({"crop_n_layers": 1}, "crop_n_layers"),
        ({"use_m2m": True}, "use_m2m"),
    ],
)
def test_what_needs_the_model_again_is_refused(change: dict[str, object], word: str) -> None:
    found = candidates_of([square(0, 0, 9)], [0.6])
    with pytest.raises(CandidatesError, match=f"{word}.*propose again"):
        select(found, SETTINGS.replace(**change))


def test_small_regions_in_image_pixels() -> None:
    """Unlike Meta's, which needs a CUDA extension and counts low-resolution pixels."""
    mask = square(5, 5, 20)
    mask[10:12, 10:12] = False  # a hole of 4
    mask[15:18, 15:18] = False  # a hole of 9
    mask[35, 40] = True  # an island of 1
    found = candidates_of([mask], [0.6])
    masks = select(found, SETTINGS.replace(min_mask_region_area=5))
    expected = square(5, 5, 20)
    expected[15:18, 15:18] = False
    assert np.array_equal(masks.full(0), expected)
    assert masks.boxes[0].tolist() == [5, 5, 24, 24]
    assert masks.areas.tolist() == [400 - 9]
    untouched = select(found, SETTINGS)
    assert np.array_equal(untouched.full(0), mask)


def test_masks_that_became_duplicates_go_and_unmended_ones_stay() -> None:
    speckled = square(5, 5, 20)
    speckled[38, 48] = True
    found = candidates_of([speckled, square(5, 5, 19)], [0.9, 0.6])
    assert len(select(found, SETTINGS)) == 2
    masks = select(found, SETTINGS.replace(min_mask_region_area=4))
    assert masks.ids.tolist() == [2]
    assert masks.removed["small regions"] == 1


def test_mend_leaves_the_largest_island_and_open_background() -> None:
    mask = np.zeros((6, 9), bool)
    mask[0, 0:2] = True
    mask[3, 4:7] = True
    mended = mend(mask, 100)
    assert mended.sum() == 3 and mended[3, 4:7].all()
    ring = np.ones((5, 5), bool)
    ring[0, 2] = False  # a notch at the edge of the box is not a hole
    assert mend(ring, 100) is ring


def test_the_mask_at_another_threshold() -> None:
    logits = np.linspace(-3, 9, 64, dtype=np.float32).reshape(8, 8)
    axes = Axis.make(8, 21), Axis.make(8, 30)
    full = resize_window(logits, (0, 0), axes, (0, 0, 21, 30))
    ys, xs = np.nonzero(full > 0)
    found = Candidates(
        shape=(21, 30),
        predicted_iou=np.array([0.9], np.float32),
        stability_score=np.array([0.9], np.float32),
        points=np.zeros((1, 2), np.float32),
        boxes=np.array([[xs.min(), ys.min(), xs.max(), ys.max()]]),
        area=np.array([len(ys)]),
        crop_index=np.zeros(1, np.int32),
        crop_boxes=np.array([[0, 0, 30, 21]]),
        windows=LogitWindows(
            (8, 8),
            np.zeros((1, 2), np.int32),
            np.array([[8, 8]], np.int32),
            np.array([0, 64]),
            logits.ravel(),
            -1.0,
        ),
        settings=AmgSettings(),
        floor=Floor(),
    )
    for threshold in (None, -1.0, 2.5, 8.0):
        y0, x0, mask = found.mask(0, threshold)
        placed = np.zeros((21, 30), bool)
        placed[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask
        assert np.array_equal(placed, full > (threshold or 0.0))
        assert mask.any(0)[[0, -1]].all() and mask.any(1)[[0, -1]].all()
    assert found.mask(0, 100.0)[2].shape == (0, 0)
    with pytest.raises(CandidatesError, match="mask_threshold=-2"):
        found.mask(0, -2.0)


@pytest.mark.parametrize(
    ("change", "kept"),
    [({"min_area": 200}, [0, 2]), ({"max_area": 200}, [1, 3]), ({"edge_objects": False}, [0, 3])],
)
def test_size_and_edge_filters(change: dict[str, object], kept: list[int]) -> None:
    from candidate_factory import Blob, make_candidates

    settings = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.5)
    blobs = [
        Blob(40, 40, 12, 12, 0.9),
        Blob(10, 3, 6, 6, 0.8),
        Blob(70, 70, 20, 20, 0.7),
        Blob(15, 60, 6, 6, 0.6),
    ]
    found = make_candidates((80, 80), blobs, settings=settings)
    masks = select(found, settings.replace(**change))
    assert masks.rows.tolist() == kept
    assert sum(masks.removed.values()) == 2


def test_a_raised_mask_threshold_measures_and_cuts_anew() -> None:
    from candidate_factory import random_candidates

    settings = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.5)
    found = random_candidates((90, 90), 40, seed=8, settings=settings, lowest=-2.0)
    masks = select(found, settings.replace(mask_threshold=1.0, stability_score_offset=0.5))
    assert 0 < len(masks) < 40
    for k, row in enumerate(masks.rows):
        y0, x0, array = found.mask(int(row), 1.0)
        np.testing.assert_array_equal(masks.arrays[k], array)
        assert masks.boxes[k].tolist() == [x0, y0, x0 + array.shape[1] - 1, y0 + array.shape[0] - 1]
        assert masks.areas[k] == array.sum() < found.area[row]
