"""Typical objects: what is unlike them in area or brightness counts as rated lower."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates

from napari_sam2_automask import AmgSettings, select
from napari_sam2_automask.candidates.file import load_candidates, save_candidates
from napari_sam2_automask.candidates.pooling import pool, take
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.evaluation.tuning import tune
from napari_sam2_automask.geometry.nms import BoxPairs
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.selection.box_nms import BoxTable
from napari_sam2_automask.selection.choosing import choose
from napari_sam2_automask.selection.likeness import counted_quality, typical_of, unlikeness, with_brightness

SHAPE = (120, 200)
OPEN = AmgSettings(pred_iou_thresh=0.6, stability_score_thresh=0.3)
TYPICAL = OPEN.replace(
    likeness=0.4, typical_smallest=200, typical_largest=500, typical_darkest=150, typical_brightest=250
)


@pytest.fixture
def scene():
    """Bright discs of a radius of 10, dark ones, specks, and a large mask over two discs; and the picture."""
    view = np.full((*SHAPE, 3), 60, np.uint8)
    blobs = []
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for k, x in enumerate(range(20, 200, 40)):
        bright, dark = Blob(20, x, 10, 10, 0.70 + k / 100), Blob(60, x, 10, 10, 0.80)
        speck = Blob(95, x, 2, 2, 0.85)
        for blob, gray in ((bright, 200), (dark, 20), (speck, 200)):
            view[((ys + 0.5 - blob.y) ** 2 + (xs + 0.5 - blob.x) ** 2) < blob.ry**2] = gray
            blobs.append(blob)
    blobs.append(Blob(20, 40, 12, 32, 0.95))
    return make_candidates(SHAPE, blobs, settings=OPEN), view


def kinds_of(candidates, rows):
    """Name what candidates are by where they lie and how large they are."""
    names = []
    for row in rows:
        y = candidates.boxes[row, [1, 3]].mean()
        names.append(
            "large" if candidates.area[row] > 1000 else "disc" if y < 40 else "dark" if y < 80 else "speck"
        )
    return sorted(names)


def test_brightness_is_the_mean_of_the_picture_in_the_mask(scene):
    candidates, view = scene
    measured = with_brightness(candidates, view)
    for row in range(len(candidates)):
        y, x, mask = candidates.mask(row)
        expected = view[y : y + mask.shape[0], x : x + mask.shape[1]].mean(2)[mask].mean()
        assert measured.brightness[row] == pytest.approx(expected, abs=1e-3)
    assert with_brightness(measured, view) is measured


def test_only_typical_objects_stay(scene):
    candidates = with_brightness(*scene)
    assert "dark" in kinds_of(candidates, select(candidates, OPEN).rows)
    masks = select(candidates, TYPICAL)
    assert kinds_of(candidates, masks.rows) == ["disc"] * 5 + ["large"]  # rated 0.95
    assert masks.removed["likeness"] == 10
    # Its own predicted IoU is what the table tells.
    assert np.array_equal(masks.predicted_iou, candidates.predicted_iou[masks.rows])


def test_what_is_unlike_does_not_suppress_what_is_alike(scene):
    candidates = with_brightness(*scene)
    loose = OPEN.replace(box_nms_thresh=0.2)
    assert kinds_of(candidates, select(candidates, loose).rows).count("disc") == 3  # two lie in the large one
    alike = TYPICAL.replace(box_nms_thresh=0.2, likeness=0.5, typical_darkest=190)
    assert kinds_of(candidates, select(candidates, alike).rows).count("disc") == 5


def test_no_weight_and_no_range_change_nothing(scene):
    candidates = with_brightness(*scene)
    off = TYPICAL.replace(likeness=0.0)
    assert counted_quality(candidates, off, candidates.area) is candidates.predicted_iou
    assert np.array_equal(select(candidates, off).rows, select(candidates, OPEN).rows)
    everything = OPEN.replace(likeness=0.5)  # all areas and all gray levels are typical
    assert np.array_equal(select(candidates, everything).rows, select(candidates, OPEN).rows)


def test_unlikeness_grows_with_the_distance_up_to_one_for_each(scene):
    candidates = with_brightness(*scene)
    found = unlikeness(candidates, TYPICAL, candidates.area)
    for kind, low, high in (("disc", 0, 0), ("speck", 0.99, 1), ("dark", 0.8, 1), ("large", 0.3, 1.5)):
        mine = [v for row, v in enumerate(found) if kinds_of(candidates, [row]) == [kind]]
        assert low <= min(mine) <= max(mine) <= high, kind
    # From 500 pixels on a half-width of the range of logarithms, at least 1, is a third of the way.
    sized = OPEN.replace(typical_smallest=200, typical_largest=500)
    areas = np.array([500, 500 * np.e, 500 * np.e**3, 500 * np.e**5, 200 / np.e, 300])
    some = take(candidates, np.arange(6))
    assert unlikeness(some, sized, areas) == pytest.approx([0, 1 / 3, 1, 1, 1 / 3, 0])


def test_without_brightness_sizes_count(scene):
    candidates, _ = scene
    assert kinds_of(candidates, select(candidates, TYPICAL).rows) == ["dark"] * 5 + ["disc"] * 5 + ["large"]


@pytest.mark.parametrize("nms", [0.2, 0.7])
def test_tables_and_live_labels_agree(scene, nms):
    candidates = with_brightness(*scene)
    live = LiveSelection(candidates)
    live.prepare()
    for settings in (OPEN, TYPICAL, TYPICAL.replace(likeness=0.1), TYPICAL.replace(duplicate_iou=0.6), OPEN):
        now = settings.replace(box_nms_thresh=nms)
        plain = choose(candidates, now)
        tabled = choose(candidates, now, table=BoxTable(candidates))
        assert np.array_equal(plain.rows, tabled.rows)
        assert plain.removed == tabled.removed
        live.update(now)
        assert np.array_equal(live.labels, paint(select(candidates, now)).labels)


def test_brightness_is_kept_in_files_and_pools(scene, tmp_path):
    candidates = with_brightness(*scene)
    again = load_candidates(save_candidates(candidates, tmp_path / "a.npz"))
    assert np.array_equal(again.brightness, candidates.brightness)
    both = pool([candidates, candidates])
    assert len(both.brightness) == 2 * len(candidates)
    assert np.array_equal(both.brightness[::2], candidates.brightness)
    assert pool([candidates, replace(candidates, brightness=None)]).brightness is None
    old = load_candidates(save_candidates(scene[0], tmp_path / "b.npz"))
    assert old.brightness is None


def test_gray_levels_of_a_few_objects_are_joined_with_the_middle_of_what_is_rated_well():
    few = np.array([40.0, 120.4])
    assert typical_of(few, np.zeros(0)) == {"typical_darkest": 40, "typical_brightest": 121}
    assert typical_of(few, np.full(7, 200.0)) == typical_of(few, np.zeros(0)), "too few"
    plain = np.linspace(100, 200, 101)
    assert typical_of(few, plain) == {"typical_darkest": 40, "typical_brightest": 165}
    # A third of all is another kind.
    assert typical_of(np.array([190.0, 200.0]), np.r_[np.full(40, 195.0), np.full(20, 30.0)]) == {
        "typical_darkest": 190, "typical_brightest": 200,
    }  # fmt: skip
    assert typical_of(np.zeros(0), plain) == {}, "brightness is not known"
    assert AmgSettings(**typical_of(np.array([0.0, 255.0]), plain)).typical_brightest == 255


def test_tune_finds_what_is_typical(scene):
    candidates = with_brightness(*scene)
    masks = select(candidates, TYPICAL)
    discs = [row + 1 for row in masks.rows if kinds_of(candidates, [row]) == ["disc"]]
    truth = paint(masks).labels
    few = np.where(np.isin(truth, discs[:3]), truth, 0)
    tuned = tune(candidates, few, start=OPEN)
    best = tuned.best.settings
    assert best.likeness > 0
    assert kinds_of(candidates, select(candidates, best).rows).count("disc") == 5
    assert "dark" not in kinds_of(candidates, select(candidates, best).rows)


@pytest.mark.parametrize(
    ("low", "high"), [("typical_smallest", "typical_largest"), ("typical_darkest", "typical_brightest")]
)
def test_contradictory_ranges_are_refused(low, high):
    with pytest.raises(SettingsError, match=f"{high}=5 is less than {low}=9"):
        AmgSettings(**{low: 9, high: 5})


def test_pairs_of_boxes_in_another_order_are_those_of_the_boxes_so_ordered():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 80, (60, 2))
    boxes = np.concatenate([corners, corners + rng.integers(5, 30, (60, 2))], 1)
    groups, order = rng.integers(0, 3, 60), rng.permutation(60)
    for some in (None, groups):
        expected = BoxPairs.of(boxes[order], None if some is None else some[order])
        found = BoxPairs.of(boxes, some).reordered(order)
        for name in ("starts", "partner", "iou"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
