"""Live labels are those of select and paint after any sequence of settings; what is locked stays."""

from __future__ import annotations

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates, random_candidates

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.errors import CandidatesError
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.selection.choosing import needs_run

OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
SHAPE = (110, 130)
CROPS = [(0, 0, 130, 110), (0, 0, 80, 70), (50, 40, 130, 110)]


def crowded(seed=1, **more):
    return random_candidates(SHAPE, 150, seed=seed, settings=OPEN, lowest=-2.0, **more)


def in_crops():
    rng = np.random.default_rng(3)
    blobs = []
    for crop, (x0, y0, x1, y1) in enumerate(CROPS):
        for _ in range(40):
            y, x = rng.uniform(y0 + 8, y1 - 8), rng.uniform(x0 + 8, x1 - 8)
            blobs.append(Blob(y, x, rng.uniform(3, 9), rng.uniform(3, 9), rng.uniform(0.6, 1), 20, crop))
    return make_candidates(SHAPE, blobs, settings=OPEN.replace(crop_n_layers=1), crops=CROPS, lowest=-2.0)


FILTERS = [
    (), (("circularity", 0.5, None),), (("solidity", None, 0.97), ("perimeter", 20, 90)),
    (("axis_major_length", 10, 40),),
]  # fmt: skip


def random_settings(rng, base):
    """Change one or two sliders of those that act live."""
    values = {
        "pred_iou_thresh": rng.uniform(0.5, 1),
        "stability_score_thresh": rng.uniform(0.3, 1),
        "stability_score_offset": round(rng.uniform(0, 1.9), 1),
        "box_nms_thresh": rng.uniform(0.2, 1),
        "crop_nms_thresh": rng.uniform(0.2, 1),
        "min_area": int(rng.integers(0, 100)),
        "max_area": int(rng.choice([0, 400, 2000])),
        "edge_objects": bool(rng.random() < 0.7),
        "duplicate_iou": rng.uniform(0.5, 1),
        "nested": rng.choice(["keep", "choose"]).item(),
        "granularity": rng.uniform(),
        "overlap": rng.choice(["small_on_top", "large_on_top", "best_score"]).item(),
        "min_mask_region_area": int(rng.choice([0, 5, 40])),
        "filters": FILTERS[rng.integers(len(FILTERS))],
        "mask_threshold": round(rng.choice([0.0, 0.0, 0.1, 0.5, 2.0]), 1),
    }
    names = rng.choice(list(values), rng.integers(1, 3), replace=False)
    changed = base.replace(**{name: values[name] for name in names})
    if changed.mask_threshold - changed.stability_score_offset < -2:
        return base
    return changed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("prepared", [True, False])
def test_the_labels_are_those_of_select_and_paint(seed, prepared):
    rng = np.random.default_rng(seed)
    candidates = in_crops() if seed == 3 else crowded(seed, holes=True)
    live = LiveSelection(candidates, limit=(1 << 30) if prepared else 20_000)
    if prepared:
        live.prepare()
    settings, before = candidates.settings, np.zeros(SHAPE, int)
    for _ in range(40):
        settings = random_settings(rng, settings)
        change = live.update(settings)
        masks = select(candidates, settings)
        np.testing.assert_array_equal(live.labels, paint(masks).labels)
        assert sorted(masks.rows.tolist()) == change.rows.tolist()
        assert change.removed == masks.removed
        outside = live.labels != before
        for y0, x0, y1, x1 in change.boxes:
            outside[y0:y1, x0:x1] = False
        assert not outside.any(), "pixels changed outside the boxes that were told"
        before = live.labels.copy()


def test_a_small_move_changes_a_small_part():
    candidates = crowded()
    live = LiveSelection(candidates)
    live.update(OPEN.replace(pred_iou_thresh=0.7))
    scores = np.sort(candidates.predicted_iou)
    step = float(scores[np.searchsorted(scores, 0.75)])
    live.update(OPEN.replace(pred_iou_thresh=step - 1e-4))
    change = live.update(OPEN.replace(pred_iou_thresh=step + 1e-4))
    assert 1 <= len(change.gone) + len(change.added) <= 6
    again = live.update(OPEN.replace(pred_iou_thresh=step + 1e-4))
    assert len(again.boxes) == len(again.added) == len(again.gone) == 0


def test_ids_stay_whatever_the_way():
    candidates = crowded()
    live = LiveSelection(candidates)
    first = live.update(OPEN)
    labels = live.labels.copy()
    for value in (0.9, 0.6, 0.99, 0.8):
        live.update(OPEN.replace(pred_iou_thresh=value, overlap="large_on_top"))
    again = live.update(OPEN)
    np.testing.assert_array_equal(live.labels, labels)
    np.testing.assert_array_equal(first.rows, again.rows)


def test_locked_objects_are_not_touched():
    candidates = crowded()
    live = LiveSelection(candidates)
    live.update(OPEN)
    edited = live.labels.astype(np.int64)
    own = int(np.bincount(edited.ravel())[1:].argmax()) + 1
    edited[5:25, 5:25] = own  # grown by hand
    drawn = 70_000
    edited[80:95, 100:120] = drawn
    live.lock(edited, np.array([own, drawn]))
    assert live.labels.dtype == np.uint32
    for threshold in (0.95, 0.6, 0.8, 1.0):
        change = live.update(OPEN.replace(pred_iou_thresh=threshold))
        np.testing.assert_array_equal(live.labels == own, edited == own)
        np.testing.assert_array_equal(live.labels == drawn, edited == drawn)
        assert own - 1 not in change.rows
    assert (live.labels > 0).sum() == ((edited == own) | (edited == drawn)).sum()
    live.update(OPEN)
    y0, x0, mask = candidates.mask(own - 1)
    taken = np.isin(edited, [own, drawn])
    taken[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] &= ~mask  # chosen beside it, and lying around it
    covered = [row for row in range(len(candidates)) if share_in(candidates, row, taken) > 0.5]
    assert covered
    assert not set(covered) & set(live.update(OPEN).rows.tolist())
    live.lock(edited, np.array([], int))
    live.update(OPEN)
    np.testing.assert_array_equal(live.labels, paint(select(candidates, OPEN)).labels)


def share_in(candidates, row, area):
    y0, x0, mask = candidates.mask(row)
    return area[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]][mask].mean()


def test_what_needs_the_model_is_said_and_nothing_changes():
    candidates = crowded()
    live = LiveSelection(candidates)
    live.update(OPEN)
    before = live.labels.copy()
    for change, word in [
        ({"pred_iou_thresh": 0.2}, "pred_iou_thresh"),
        ({"points_per_side": 64}, "points_per_side"),
        ({"mask_threshold": -1.5}, "mask_threshold"),
        ({"stability_score_offset": 3.0}, "stability_score_offset"),
    ]:
        wanted = OPEN.replace(**change)
        assert word in needs_run(candidates, wanted)
        with pytest.raises(CandidatesError, match="propose again"):
            live.update(wanted)
        np.testing.assert_array_equal(live.labels, before)
    assert needs_run(candidates, OPEN) is None


def test_labels_of_another_shape_are_refused():
    live = LiveSelection(crowded())
    with pytest.raises(CandidatesError, match=r"\(5, 5\).*\(110, 130\)"):
        live.lock(np.zeros((5, 5), int), np.array([1]))


def test_histograms_count_every_candidate():
    candidates = crowded()
    live = LiveSelection(candidates)
    for name in ("predicted_iou", "stability_score", "area"):
        counts, edges = live.histogram(name, OPEN, 20)
        assert counts.sum() == len(candidates)
        assert len(edges) == 21
    narrow, _ = live.histogram("stability_score", OPEN.replace(stability_score_offset=0.2), 20)
    wide, _ = live.histogram("stability_score", OPEN.replace(stability_score_offset=1.9), 20)
    assert np.average(np.arange(20), weights=narrow) > np.average(np.arange(20), weights=wide)


def test_no_candidates_give_no_labels():
    live = LiveSelection(make_candidates((9, 9), [], settings=OPEN))
    live.prepare()
    assert live.update(OPEN).rows.size == 0
    assert not live.labels.any()
