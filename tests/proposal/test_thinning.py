"""Near-duplicates and what exceeds the memory are dropped; what can be chosen stays."""

from __future__ import annotations

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates, random_candidates

from napari_sam2_automask import AmgSettings, select
from napari_sam2_automask.candidates.candidates import BEYOND_MEMORY, Floor
from napari_sam2_automask.progress import Cancelled
from napari_sam2_automask.proposal.thinning import NEAR_DUPLICATES, merge_near_duplicates, within_memory

FLOOR = Floor(0.5, 0.3)
SETTINGS = AmgSettings(pred_iou_thresh=0.7, stability_score_thresh=0.6)


def crowd(seed: int):
    return random_candidates((120, 160), 120, seed=seed, settings=SETTINGS, floor=FLOOR)


def shown(candidates, settings):
    """The masks chosen, as sets of pixels, in their order."""
    masks = select(candidates, settings)
    return [masks.full(k).tobytes() for k in range(len(masks))]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nested": "choose", "granularity": 0.7, "box_nms_thresh": 0.9},
        {"gap_leniency": 0.15, "nested": "choose"},
        {"duplicate_iou": 0.8, "box_nms_thresh": 1.0, "gap_leniency": 0.1},
        {"overlap": "all_levels", "box_nms_thresh": 0.95},
        {"edge_objects": False, "min_area": 40, "max_area": 900},
    ],
    ids=str,
)
def test_a_run_gives_the_same_masks_with_and_without_them(seed: int, changes: dict[str, object]) -> None:
    settings = SETTINGS.replace(**changes)
    candidates = crowd(seed)
    thinned = merge_near_duplicates(candidates, settings)
    assert shown(thinned, settings) == shown(candidates, settings)
    dropped = len(candidates) - len(thinned)
    assert thinned.removed.get(NEAR_DUPLICATES, 0) == dropped


def test_there_are_some_to_drop() -> None:
    assert sum(len(crowd(seed)) - len(merge_near_duplicates(crowd(seed), SETTINGS)) for seed in range(6)) > 20


@pytest.mark.parametrize("seed", range(4))
def test_thresholds_lowered_afterwards_find_the_same_objects(seed: int) -> None:
    """Whoever lowers thresholds later sees each object, if not through the same look at it."""
    candidates = crowd(seed)
    thinned = merge_near_duplicates(candidates, SETTINGS)
    lowered = SETTINGS.replace(pred_iou_thresh=0.55, stability_score_thresh=0.4)
    before, after = select(candidates, lowered), select(thinned, lowered)
    for k in range(len(before)):
        mask = before.full(k)
        ious = [(mask & after.full(j)).sum() / (mask | after.full(j)).sum() for j in range(len(after))]
        assert max(ious) > 0.9


def test_only_a_mask_that_is_worse_in_every_way_is_dropped() -> None:
    same = Blob(60, 60, 20, 20, 0.9)
    for other, left in (
        (Blob(60, 60, 20, 20, 0.8), 1),  # the same at a lower rating
        (Blob(60, 60, 20, 20, 0.8, steep=30.0), 2),  # rated lower, but more stable
        (Blob(60, 60, 16, 20, 0.8), 2),  # a part
        (Blob(60, 75, 20, 20, 0.8), 2),  # beside it
    ):
        candidates = make_candidates((120, 160), [same, other], settings=SETTINGS, floor=FLOOR)
        assert len(merge_near_duplicates(candidates, SETTINGS)) == left


def test_a_mask_inside_does_not_stand_for_one_at_the_edge_nor_the_other_way_round() -> None:
    """With objects at the edge left out, the one inside must still be there."""
    left = {}
    for shift in (0, 40):
        blobs = [Blob(60, 30 + shift, 30, 30.6, 0.9), Blob(60, 31 + shift, 30, 30, 0.8, steep=11)]
        candidates = make_candidates((120, 160), blobs, settings=SETTINGS, floor=FLOOR, grid=120)
        left[shift] = merge_near_duplicates(candidates, SETTINGS)
    assert (len(left[0]), len(left[40])) == (2, 1)
    assert len(select(left[0], SETTINGS.replace(edge_objects=False))) == 1


def test_masks_of_different_crops_are_kept() -> None:
    blobs = [Blob(60, 60, 20, 20, 0.9), Blob(60, 60, 20, 20, 0.8, crop=1)]
    crops = [(0, 0, 160, 120), (20, 20, 120, 110)]
    candidates = make_candidates((120, 160), blobs, settings=SETTINGS, floor=FLOOR, crops=crops)
    assert len(merge_near_duplicates(candidates, SETTINGS)) == 2


def test_it_can_be_cancelled() -> None:
    def stop(*_: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):  # while candidates are compared
        merge_near_duplicates(crowd(0), SETTINGS, count=stop)
    with pytest.raises(Cancelled):  # and before, while their overlaps are counted
        merge_near_duplicates(crowd(0), SETTINGS.replace(gap_leniency=0.1), stop)


def test_the_worst_rated_beyond_the_memory_are_left_out_and_counted() -> None:
    blobs = [Blob(256, 256, 200 - k / 4, 200, 0.99 - k / 1000) for k in range(200)]
    tight = SETTINGS.replace(candidate_memory=1)
    candidates = make_candidates((512, 512), blobs, settings=tight, floor=FLOOR)
    kept = within_memory(candidates, tight)
    assert 0 < len(kept) < len(candidates)
    assert kept.windows.counts.sum() <= 1_000_000 < candidates.windows.counts[: len(kept) + 1].sum()
    np.testing.assert_array_equal(kept.predicted_iou, candidates.predicted_iou[: len(kept)])
    assert kept.removed[BEYOND_MEMORY] == len(candidates) - len(kept)
    assert within_memory(candidates, SETTINGS) is candidates
