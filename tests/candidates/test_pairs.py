"""Pairs agree with the masks counted pixel by pixel."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates, random_candidates

from napari_sam2_automask.candidates.overlap_pairs import make_pairs


def full(candidates, i):
    mask = np.zeros(candidates.shape, bool)
    y0, x0, own = candidates.mask(i)
    mask[y0 : y0 + own.shape[0], x0 : x0 + own.shape[1]] = own
    return mask


def counted(candidates):
    """Return {(small, large): (inside, iou)} of every pair that shares a pixel."""
    masks = [full(candidates, i) for i in range(len(candidates))]
    table = {}
    for i, j in itertools.combinations(range(len(masks)), 2):
        small, large = (i, j) if masks[i].sum() < masks[j].sum() else (j, i)
        shared = (masks[i] & masks[j]).sum()
        if shared:
            table[small, large] = shared / masks[small].sum(), shared / (masks[i] | masks[j]).sum()
    return table


def test_small_masks_are_counted_exactly():
    candidates = random_candidates((70, 80), 40, seed=5, sizes=(3, 15))
    pairs, table = make_pairs(candidates), counted(candidates)
    found = {(int(a), int(b)): k for k, (a, b) in enumerate(zip(pairs.small, pairs.large, strict=True))}
    assert len(found) == len(pairs) > 10
    assert set(found) == {pair for pair, (inside, _) in table.items() if inside >= 0.3}
    for pair, k in found.items():
        assert (pairs.inside[k], pairs.iou[k]) == pytest.approx(table[pair], abs=1e-6)


def test_large_masks_are_sampled_within_a_few_percent():
    candidates = random_candidates((300, 400), 30, seed=6, sizes=(20, 150))
    pairs, table = make_pairs(candidates), counted(candidates)
    assert (candidates.area > 10_000).sum() >= 5
    for k, pair in enumerate(zip(pairs.small.tolist(), pairs.large.tolist(), strict=True)):
        assert (pairs.inside[k], pairs.iou[k]) == pytest.approx(table[pair], abs=0.03)
    sure = {pair for pair, (inside, _) in table.items() if inside > 0.35}
    assert sure <= set(zip(pairs.small.tolist(), pairs.large.tolist(), strict=True))


def test_of_two_equal_masks_the_better_counts_as_the_larger():
    twins = [Blob(20, 20, 9, 9, 0.8), Blob(20, 20, 9, 9, 0.9)]
    pairs = make_pairs(make_candidates((40, 40), twins))
    assert (pairs.small.tolist(), pairs.large.tolist()) == ([1], [0])
    assert pairs.iou.tolist() == [1.0]


def test_products_in_batches_give_the_same_pairs(monkeypatch):
    candidates = random_candidates((60, 60), 30, seed=7, sizes=(4, 20))
    whole = make_pairs(candidates)
    monkeypatch.setattr("napari_sam2_automask.candidates.overlap_pairs._ENTRIES", 200)
    parts = make_pairs(candidates)
    assert set(zip(whole.small, whole.large, whole.iou, strict=True)) == set(
        zip(parts.small, parts.large, parts.iou, strict=True)
    )


def test_no_candidates_have_no_pairs():
    assert len(make_pairs(make_candidates((9, 9), []))) == 0
