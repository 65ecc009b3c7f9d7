"""Nested masks: duplicates merged, the forest of containment, one level chosen by granularity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates, random_candidates

from napari_sam2_automask import AmgSettings, select
from napari_sam2_automask.candidates.overlap_pairs import make_pairs
from napari_sam2_automask.selection.nesting import depths, level_cut, merge_duplicates, parents

OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.5, box_nms_thresh=1.0)


@pytest.fixture(scope="module")
def nested():
    """Two wholes with two parts each, a grain in one part, and one object on its own."""
    blobs = [
        Blob(50, 50, 40, 40, 0.9),
        Blob(50, 30, 15, 15, 0.9),
        Blob(50, 70, 15, 15, 0.9),
        Blob(50, 30, 5, 5, 0.9),
        Blob(50, 150, 40, 40, 0.9),
        Blob(50, 130, 15, 15, 0.9),
        Blob(50, 170, 15, 15, 0.9),
        Blob(50, 220, 8, 8, 0.9),
    ]
    return make_candidates((100, 240), blobs, grid=120, settings=OPEN)


def everything(candidates):
    return np.ones(len(candidates), bool)


def test_the_parent_is_the_smallest_mask_around(nested):
    pairs = make_pairs(nested)
    found = parents(everything(nested), nested.area, pairs)
    assert found.tolist() == [-1, 0, 0, 1, -1, 4, 4, -1]
    assert depths(everything(nested), found).tolist() == [0, 1, 1, 2, 0, 1, 1, 0]
    without = everything(nested)
    without[1] = False
    assert parents(without, nested.area, pairs).tolist() == [-1, -1, 0, 0, -1, 4, 4, -1]


@pytest.mark.parametrize(
    ("granularity", "kept"), [(0.0, {0, 4, 7}), (0.3, {0, 4, 7}), (1.0, {2, 3, 5, 6, 7})]
)
def test_granularity_chooses_wholes_or_parts_everywhere(nested, granularity, kept):
    settings = OPEN.replace(nested="choose", granularity=granularity)
    assert set(select(nested, settings).rows.tolist()) == kept


def test_a_higher_granularity_only_splits():
    candidates = random_candidates((120, 120), 150, seed=9, settings=OPEN)
    above = parents(everything(candidates), candidates.area, make_pairs(candidates))
    assert (above >= 0).sum() > 40
    parts = list(range(len(candidates)))
    before = None
    for granularity in np.linspace(0, 1, 21):
        kept = level_cut(
            everything(candidates), candidates.area, candidates.predicted_iou, above, float(granularity)
        )
        for row in np.flatnonzero(kept):
            up = above[row]
            while up >= 0:
                assert not kept[up], "a mask and one around it were both kept"
                up = above[up]
        if before is not None:
            for row in np.flatnonzero(before & ~kept):
                inside = [part for part in parts if row in chain(above, part)]
                assert any(kept[part] for part in inside), "a whole went without a part of it in its place"
        before = kept


def chain(above, row):
    found = []
    while above[row] >= 0:
        row = above[row]
        found.append(int(row))
    return found


def test_the_cut_is_the_best_of_all(nested):
    above = parents(everything(nested), nested.area, make_pairs(nested))
    worth = np.random.default_rng(0).normal(size=(30, len(nested)))
    from napari_sam2_automask.selection.nesting import _best_cut

    for values in worth:
        kept = _best_cut(everything(nested), nested.area, values, above)
        best = max(np.exp(values[list(rows)]).sum() for rows in antichains(above))
        assert np.exp(values[kept]).sum() == pytest.approx(best)


def antichains(above):
    rows = range(len(above))
    for n in rows:
        for some in itertools.combinations(rows, n + 1):
            if not any(set(chain(above, row)) & set(some) for row in some):
                yield some


def test_duplicates_leave_the_better_one():
    blobs = [
        Blob(40, 40, 20, 20, 0.7),
        Blob(40, 40.5, 20, 20, 0.9),
        Blob(40, 40, 16, 16, 0.8),
        Blob(40, 100, 20, 20, 0.6),
    ]
    candidates = make_candidates((80, 140), blobs, grid=100, settings=OPEN)
    pairs = make_pairs(candidates)
    # Rows by predicted IoU: 0 the shifted copy, 1 the smaller one inside, 2 the first, 3 apart.
    kept = merge_duplicates(everything(candidates), candidates.predicted_iou, pairs, 0.9)
    assert np.flatnonzero(kept).tolist() == [0, 1, 3]
    # The inner one has 0.64 of the area: the same object to whom half is enough.
    kept = merge_duplicates(everything(candidates), candidates.predicted_iou, pairs, 0.6)
    assert np.flatnonzero(kept).tolist() == [0, 3]
    # Where the worse counts as the better one, it stays.
    kept = merge_duplicates(everything(candidates), -candidates.predicted_iou, pairs, 0.9)
    assert np.flatnonzero(kept).tolist() == [1, 2, 3]
    masks = select(candidates, OPEN.replace(duplicate_iou=0.9))
    assert masks.rows.tolist() == [0, 1, 3]
    assert masks.removed["duplicates"] == 1


def test_without_nesting_nothing_is_removed():
    candidates = make_candidates((60, 60), [Blob(20, 20, 8, 8, 0.9), Blob(45, 45, 8, 8, 0.9)], settings=OPEN)
    for granularity in (0.0, 0.5, 1.0):
        assert len(select(candidates, OPEN.replace(nested="choose", granularity=granularity))) == 2
