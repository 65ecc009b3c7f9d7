"""Each action does what it says, and what was decided stays whatever the settings."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from candidate_factory import Blob, make_candidates
from scipy.ndimage import distance_transform_edt

from napari_sam2_automask import AmgSettings, Mends
from napari_sam2_automask.errors import CandidatesError, MendError
from napari_sam2_automask.mending import Carry, Split, actions_from, facts_with

SETTINGS = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.0, box_nms_thresh=1.0)
SHAPE = (96, 128)
#: A whole with two parts in it, an object by itself with a second look at it, and one that is rated low.
BLOBS = {
    "whole": Blob(30, 40, 22, 30, 0.95, 30),
    "left": Blob(30, 26, 13, 12, 0.9, 30),
    "right": Blob(30, 54, 13, 12, 0.88, 30),
    "alone": Blob(70, 100, 11, 11, 0.85, 30),
    "again": Blob(70.5, 100, 11.6, 11, 0.8, 30),
    "faint": Blob(75, 30, 9, 9, 0.6, 30),
}
NUMBERS = {name: number for number, name in enumerate(BLOBS, 1)}
CHOOSE = SETTINGS.replace(pred_iou_thresh=0.7, duplicate_iou=0.8, nested="choose", granularity=0.0)


@pytest.fixture
def candidates():
    return make_candidates(SHAPE, list(BLOBS.values()), grid=128, settings=SETTINGS)


@pytest.fixture
def mends(candidates):
    return Mends(candidates, CHOOSE)


def mask_of(candidates, name):
    y, x, mask = candidates.mask(NUMBERS[name] - 1)
    full = np.zeros(SHAPE, bool)
    full[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return full


def shown(mends):
    return set(np.unique(mends.labels).tolist()) - {0}


#: Settings that bring every candidate, one after the other, to the front.
EVERY = [
    CHOOSE,
    CHOOSE.replace(granularity=1.0),
    CHOOSE.replace(pred_iou_thresh=0.5),
    SETTINGS,
    SETTINGS.replace(overlap="large_on_top"),
    SETTINGS.replace(overlap="best_score", pred_iou_thresh=0.7),
    SETTINGS.replace(max_area=600),
    SETTINGS.replace(mask_threshold=0.5),
    CHOOSE.replace(duplicate_iou=1.0),
]


def test_what_is_there_at_first(mends):
    assert shown(mends) == {NUMBERS["whole"], NUMBERS["alone"]}
    assert mends.next_label == 7
    assert mends.edited == {}
    assert mends.steps == ()


@pytest.mark.parametrize("name", ["whole", "alone"])
def test_nothing_comes_back_where_an_object_was_removed(mends, candidates, name):
    ground = mends.labels == NUMBERS[name]
    mends.remove(NUMBERS[name])
    for settings in EVERY:
        mends.settle(settings)
        assert not mends.labels[ground].any(), settings
    assert mends.removed == {NUMBERS[name]}
    np.testing.assert_array_equal(mends.ground, ground)


def test_the_rim_of_a_second_look_does_not_come_back_either(mends):
    mends.remove(NUMBERS["alone"])
    mends.settle(SETTINGS)
    assert NUMBERS["again"] not in shown(mends)
    mends.settle(CHOOSE.replace(duplicate_iou=1.0))
    assert NUMBERS["again"] not in shown(mends)


def test_removing_a_part_on_top_leaves_the_whole_around_it(candidates):
    mends = Mends(candidates, SETTINGS)
    before = mends.labels == NUMBERS["whole"]
    mends.remove(NUMBERS["left"])
    np.testing.assert_array_equal(mends.labels == NUMBERS["whole"], before)
    mends.settle(SETTINGS.replace(overlap="best_score"))
    assert not mends.labels[mends.ground].any()


def test_removing_a_whole_leaves_the_parts_on_top_of_it(candidates):
    mends = Mends(candidates, SETTINGS)
    parts = [mends.labels == NUMBERS[name] for name in ("left", "right")]
    mends.remove(NUMBERS["whole"])
    for name, before in zip(("left", "right"), parts, strict=True):
        np.testing.assert_array_equal(mends.labels == NUMBERS[name], before)


def test_a_faint_candidate_is_added_at_a_click_with_the_next_number(mends, candidates):
    done = mends.add((75, 30))
    assert done.labels == (7,)
    assert done.action.label == 7
    np.testing.assert_array_equal(mends.labels == 7, mask_of(candidates, "faint"))
    assert mends.kept[7].edited == "added"
    assert mends.kept[7].scores == pytest.approx((0.6, candidates.stability_score[NUMBERS["faint"] - 1]))
    for settings in EVERY:
        mends.settle(settings)
        np.testing.assert_array_equal(mends.labels == 7, mask_of(candidates, "faint"))
        assert NUMBERS["faint"] not in shown(mends)


def test_an_object_is_added_on_forbidden_ground_if_a_person_says_so(mends):
    mends.remove(NUMBERS["alone"])
    mends.add((70, 100))
    assert mends.labels[70, 100] == 7
    mends.settle(SETTINGS)
    assert mends.labels[70, 100] == 7


def test_a_mask_takes_only_what_is_free(mends):
    before = mends.labels.copy()
    mask = np.zeros(SHAPE, bool)
    mask[60:80, 80:110] = True
    mends.add(mask=mask, score=0.7)
    np.testing.assert_array_equal(mends.labels == 7, mask & (before == 0))
    np.testing.assert_array_equal(mends.labels[~mask], before[~mask])
    assert mends.kept[7].scores[0] == 0.7
    with pytest.raises(MendError, match="lies on other objects"):
        mends.add(mask=before == NUMBERS["alone"])


def test_a_number_is_never_given_twice(mends):
    mends.add((75, 30))
    mends.remove(7)
    assert mends.add((75, 30)).labels == (8,)
    mends.undo()
    assert mends.add((75, 30)).labels == (9,)
    mends.undo()
    mends.redo()
    assert 9 in shown(mends)
    mends.release()
    assert mends.next_label == 10


def test_merge_keeps_the_number_asked_for_and_every_pixel(candidates):
    mends = Mends(candidates, CHOOSE.replace(granularity=1.0))
    left, right = NUMBERS["left"], NUMBERS["right"]
    both = np.isin(mends.labels, [left, right])
    mends.merge(left, right, keep=right)
    for settings in EVERY:
        mends.settle(settings)
        np.testing.assert_array_equal(mends.labels == right, both)
        assert left not in shown(mends)
    assert mends.edited == {right: "merged"}
    assert mends.removed == frozenset()
    mends.release(right)
    mends.settle(CHOOSE.replace(granularity=1.0))
    assert {left, right} <= shown(mends)


@pytest.mark.parametrize(
    "stroke", [[(5, 52), (56, 48)], [(11, 51), (30, 50), (52, 49)], [(0, 55), (20, 50), (40, 52), (80, 50)]]
)
def test_a_stroke_splits_and_loses_no_pixel(mends, stroke):
    whole = NUMBERS["whole"]
    before = mends.labels == whole
    done = mends.split(stroke=stroke)
    assert done.labels == (whole, 7)
    parts = [mends.labels == n for n in done.labels]
    np.testing.assert_array_equal(parts[0] | parts[1], before)
    assert parts[0].sum() > parts[1].sum()
    assert np.nonzero(parts[0])[1].mean() < 45 < 52 < np.nonzero(parts[1])[1].mean()
    for settings in EVERY:
        mends.settle(settings)
        np.testing.assert_array_equal(np.isin(mends.labels, done.labels), before)
        np.testing.assert_array_equal(mends.labels == 7, parts[1])


def test_seeds_split_at_the_waist():
    labels = np.zeros((40, 80), int)
    y, x = np.mgrid[:40, :80]
    for middle in (20, 45, 65):
        labels[(y - 20) ** 2 + (x - middle) ** 2 < 14**2] = 5
    mends = Mends(labels)
    done = mends.split(seeds=[(20, 14), (20, 45), (20, 70)])
    assert done.labels == (5, 6, 7)
    np.testing.assert_array_equal(mends.labels > 0, labels > 0)
    assert mends.labels[20, 14] == 5  # the largest
    waist = np.flatnonzero(np.diff(mends.labels[20, 10:75].astype(int)) != 0) + 11
    np.testing.assert_allclose(waist, [33, 55], atol=2)


def test_seeds_in_one_lobe_share_it():
    labels = np.zeros((40, 60), int)
    y, x = np.mgrid[:40, :60]
    labels[(y - 20) ** 2 + (x - 30) ** 2 < 18**2] = 1
    mends = Mends(labels)
    mends.split(seeds=[(20, 24), (20, 36)])
    left, right = mends.labels[20, 24], mends.labels[20, 36]
    assert left != right
    assert abs(int((mends.labels == left).sum()) - int((mends.labels == right).sum())) < 60
    np.testing.assert_array_equal(mends.labels > 0, labels > 0)


def test_islands_stay_with_a_part():
    labels = np.zeros((30, 60), int)
    labels[5:25, 5:35] = 1
    labels[10:20, 45:55] = 1
    by_line, by_seed = Mends(labels), Mends(labels)
    by_line.split(stroke=[(0, 25), (29, 25)])
    assert by_line.labels[15, 50] == 1 and by_line.labels[15, 30] == 2
    by_seed.split(seeds=[(15, 10), (15, 34)])
    assert by_seed.labels[15, 50] == by_seed.labels[15, 34]
    for mends in (by_line, by_seed):
        np.testing.assert_array_equal(mends.labels > 0, labels > 0)


def test_whole_to_parts_and_back(mends, candidates):
    whole = NUMBERS["whole"]
    done = mends.step((30, 26), "parts")
    assert done.labels == (whole, 7)
    left, right = mask_of(candidates, "left"), mask_of(candidates, "right")
    np.testing.assert_array_equal(mends.labels == whole, left & mask_of(candidates, "whole"))
    np.testing.assert_array_equal(mends.labels == 7, right & mask_of(candidates, "whole") & ~left)
    for settings in EVERY:
        mends.settle(settings)
        assert shown(mends) >= {whole, 7}
        assert not shown(mends) & {NUMBERS["left"], NUMBERS["right"]}
    mends.settle(CHOOSE)
    assert mends.step((30, 54), "whole").labels == (7,)
    np.testing.assert_array_equal(mends.labels == 7, mask_of(candidates, "whole"))
    assert whole not in shown(mends)
    assert mends.kept[7].scores[0] == pytest.approx(0.95)
    with pytest.raises(MendError, match="no larger stored candidate"):
        mends.step((30, 54), "whole")


def test_objects_grow_over_free_ground_only_and_shrink_from_all_that_is_not_theirs():
    labels = np.zeros((40, 60), int)
    labels[10:20, 5:15] = 1
    labels[10:20, 17:27] = 2
    labels[30:40, 50:60] = 3  # in the corner of the image
    mends = Mends(labels)
    assert mends.grow(1, pixels=3).labels == (1,)
    y, x = np.mgrid[:40, :60]
    near = np.hypot(np.maximum(abs(y - 14.5) - 4.5, 0), np.maximum(abs(x - 9.5) - 4.5, 0)) <= 3
    # What lies behind object 2 is free and near, but cannot be come to.
    np.testing.assert_array_equal(mends.labels == 1, near & (labels != 2) & (x < 17))
    np.testing.assert_array_equal(mends.labels == 2, labels == 2)
    mends.undo()
    mends.grow(2, 1)  # each takes the half that is nearer
    assert (mends.labels[15, 15:17] == [1, 2]).all() and mends.edited == {1: "reshaped", 2: "reshaped"}
    np.testing.assert_array_equal(
        mends.labels == 1, (near_box := _around(labels == 1, 1)) & ~_around(labels == 2, 1)
    )
    assert near_box.sum() == 140
    mends.undo()
    mends.grow(3, pixels=-2)
    np.testing.assert_array_equal(mends.labels == 3, (y >= 32) & (x >= 52))
    with pytest.raises(MendError, match="would be left"):
        mends.grow(3, pixels=-8)
    whole = Mends(np.ones((9, 9), int))
    assert (whole.grow(1, pixels=-1) and whole.labels == 1).all()
    with pytest.raises(MendError, match="no free ground"):
        whole.grow(1)


def _around(mask, pixels):
    return distance_transform_edt(~mask) <= pixels


def test_what_shrank_leaves_ground_where_nothing_comes_and_is_given_back(mends):
    whole = NUMBERS["whole"]
    before = mends.labels.copy()
    mends.grow(whole, pixels=-3)
    lost = (before == whole) & (mends.labels == 0)
    assert lost.sum() > 300
    for settings in EVERY:
        mends.settle(settings)
        assert not mends.labels[lost].any(), settings
    mends.settle(CHOOSE)
    mends.release(whole)
    np.testing.assert_array_equal(mends.labels, before)
    again = Mends(mends.live.candidates, CHOOSE)
    again.replay(json.loads(json.dumps(mends.to_json()))["steps"])
    np.testing.assert_array_equal(again.labels, before)
    assert mends.kept == {}


def test_locked_objects_stay_and_are_released(mends, candidates):
    alone = NUMBERS["alone"]
    mends.lock(alone)
    mends.settle(CHOOSE.replace(pred_iou_thresh=0.9))
    np.testing.assert_array_equal(mends.labels == alone, mask_of(candidates, "alone"))
    assert mends.kept[alone].scores == pytest.approx((0.85, candidates.stability_score[alone - 1]))
    mends.release(alone)
    assert alone not in shown(mends)
    mends.settle(CHOOSE)
    assert alone in shown(mends)


def test_what_was_shown_beside_a_removed_object_stays_away_when_settings_move():
    # Their pixels are kept, and looked at again only where what is held has changed.
    kept = make_candidates(SHAPE, list(BLOBS.values()), grid=128, settings=SETTINGS, lowest=-2.0)
    mends = Mends(kept, CHOOSE)
    mends.settle(SETTINGS)
    assert {NUMBERS["alone"], NUMBERS["again"]} <= shown(mends)
    mends.remove(NUMBERS["alone"])
    for settings in (SETTINGS.replace(pred_iou_thresh=0.55), SETTINGS, *EVERY):
        mends.settle(settings)
        assert not shown(mends) & {NUMBERS["alone"], NUMBERS["again"]}
    mends.release()
    mends.settle(SETTINGS)
    assert {NUMBERS["alone"], NUMBERS["again"]} <= shown(mends)


def test_removed_ground_is_given_back(mends):
    before = mends.labels.copy()
    mends.remove(NUMBERS["whole"], NUMBERS["alone"])
    assert not mends.labels.any()
    mends.release(NUMBERS["alone"])
    assert shown(mends) == {NUMBERS["alone"]}
    mends.release()
    np.testing.assert_array_equal(mends.labels, before)
    assert not mends.ground.any()


def test_parts_of_one_object_are_released_together(mends):
    before = mends.labels.copy()
    done = mends.split(stroke=[(5, 40), (56, 40)])
    mends.release(done.labels[1])
    np.testing.assert_array_equal(mends.labels, before)


def test_paint_locks_what_it_touches_and_erased_ground_stays_empty(mends):
    whole, alone = NUMBERS["whole"], NUMBERS["alone"]
    labels = mends.labels.copy()
    labels[28:33, 5:20] = 0  # out of the whole
    labels[66:70, 60:92] = 200  # a new object, into the one that lies alone
    done = mends.paint(labels)
    assert done.labels == (whole, alone, 200)
    assert mends.edited == {whole: "painted", alone: "painted", 200: "painted"}
    assert mends.next_label == 201
    for settings in EVERY:
        mends.settle(settings)
        np.testing.assert_array_equal(np.isin(mends.labels, done.labels), np.isin(labels, done.labels))
        assert not mends.labels[28:33, 11:20].any()
    assert mends.paint(mends.labels) is None


def test_an_object_that_is_erased_is_removed(mends):
    labels = mends.labels.copy()
    ground = labels == NUMBERS["alone"]
    labels[ground] = 0
    mends.paint(labels)
    assert mends.removed == {NUMBERS["alone"]}
    for settings in EVERY:
        mends.settle(settings)
        assert not mends.labels[ground].any()


def test_one_history_over_all(mends):
    seen = [mends.labels.copy()]
    labels = mends.labels.copy()
    for act in (
        lambda: mends.remove(NUMBERS["alone"]),
        lambda: mends.settle(CHOOSE.replace(granularity=1.0)),
        lambda: mends.add((75, 30)),
        lambda: mends.paint(np.where(mends.labels == 7, 0, mends.labels)),
        lambda: mends.merge(NUMBERS["left"], NUMBERS["right"]),
        lambda: mends.release(),
    ):
        act()
        seen.append(mends.labels.copy())
    for labels in seen[-2::-1]:
        mends.undo()
        np.testing.assert_array_equal(mends.labels, labels)
    assert mends.next_undo is None
    with pytest.raises(MendError, match="nothing to undo"):
        mends.undo()
    for labels in seen[1:]:
        mends.redo()
        np.testing.assert_array_equal(mends.labels, labels)
    with pytest.raises(MendError, match="nothing to redo"):
        mends.redo()


def test_a_slider_that_is_drawn_is_one_step(mends):
    before = mends.labels.copy()
    for threshold in (0.8, 0.84, 0.86, 0.9):
        mends.settle(CHOOSE.replace(pred_iou_thresh=threshold), join=True)
    assert len(mends.steps) == 1
    assert mends.settings.pred_iou_thresh == 0.9
    mends.undo()
    np.testing.assert_array_equal(mends.labels, before)
    assert mends.settings == CHOOSE


def test_settings_that_need_the_model_change_nothing(mends):
    mends.remove(NUMBERS["alone"])
    before = mends.labels.copy()
    with pytest.raises(CandidatesError):
        mends.settle(CHOOSE.replace(points_per_side=64))
    np.testing.assert_array_equal(mends.labels, before)
    assert mends.settings == CHOOSE and len(mends.steps) == 1


def test_a_preview_changes_nothing(mends, candidates):
    before = mends.labels.copy()
    (step,) = actions_from([{"action": "add", "point": [75, 30]}])
    shown_there = mends.preview(step)
    np.testing.assert_array_equal(shown_there[7].whole(SHAPE), mask_of(candidates, "faint"))
    np.testing.assert_array_equal(mends.labels, before)
    assert mends.next_label == 7 and mends.steps == ()


def test_what_was_mended_goes_into_another_run(mends):
    mends.split(stroke=[(5, 40), (56, 40)])
    mends.remove(NUMBERS["alone"])
    mends.add((75, 30))
    locked = [mends.labels == n for n in (1, 7, 8)]
    ground = mends.ground
    other = make_candidates(
        SHAPE, [*BLOBS.values(), *([Blob(48, 64, 5, 5, 0.99, 30)] * 4)], grid=128, settings=SETTINGS
    )
    new = Mends(other, CHOOSE)
    new.do(mends.carried())
    numbers = list(new.edited)
    # The new run has ten candidates: none of the old numbers up to that is free.
    assert numbers == [11, 12, 13]
    assert list(new.edited.values()) == ["split", "split", "added"]
    for settings in EVERY:
        new.settle(settings)
        for n, mask in zip(numbers, locked, strict=True):
            np.testing.assert_array_equal(new.labels == n, mask)
        assert not new.labels[ground].any()
    assert new.labels[48, 64] == 0 or new.labels[48, 64] <= 10


def test_labels_of_any_kind_are_a_start():
    labels = np.zeros((40, 60), np.int64)
    labels[2:12, 2:12], labels[2:12, 12:30], labels[20:30, 5:50] = 3, 70_000, 12
    mends = Mends(labels)
    np.testing.assert_array_equal(mends.labels, labels)
    assert mends.next_label == 70_001
    mends.merge(3, 70_000)
    mends.split(12, seeds=[(25, 10), (25, 45)])
    assert shown(mends) == {3, 12, 70_001}
    mends.remove(12)
    mends.release()
    np.testing.assert_array_equal(mends.labels, labels)
    with pytest.raises(MendError, match="no stored candidates"):
        mends.add((35, 55))
    with pytest.raises(MendError, match="no stored candidates"):
        mends.settle(CHOOSE)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda m: m.add((75, 300)), "outside the image"),
        (lambda m: m.add((-0.6, 3)), "outside the image"),
        (lambda m: m.add((5, 120)), "no stored candidate"),
        (lambda m: m.add((30, 40)), "object 1 lies there already"),
        (lambda m: m.add(), "a point or a mask"),
        (lambda m: m.add((75, 30), label=3), "number 3 is taken"),
        (lambda m: m.add(mask=np.ones((3, 3))), "has the shape"),
        (lambda m: m.add(mask=np.zeros(SHAPE)), "no pixel"),
        (lambda m: m.add(("a", 3)), "two numbers"),
        (lambda m: m.add((float("nan"), 3)), "finite"),
        (lambda m: m.remove(), "at least 1"),
        (lambda m: m.remove(99), "no object 99"),
        (lambda m: m.remove(-1), "greater than or equal to 1"),
        (lambda m: m.merge(1, 1), "two objects"),
        (lambda m: m.merge(1, 4, keep=9), "one of them to keep"),
        (lambda m: m.split(stroke=[(90, 5), (95, 5)]), "no object to split"),
        (lambda m: m.split(1, stroke=[(30, 30), (30, 32)]), "does not divide"),
        (lambda m: m.split(1, stroke=[(0, 0), (1e9, 1e9)]), "far beyond"),
        (lambda m: m.split(1, seeds=[(30, 30), (70, 100)]), "does not lie on the object"),
        (lambda m: m.split(1, seeds=[(30, 30), (30.2, 30)]), "one pixel"),
        (lambda m: m.split(1), "a stroke of two points at least"),
        (lambda m: m.step((90, 5), "parts"), "no object lies there"),
        (lambda m: m.step((70, 100), "parts"), "no smaller"),
        (lambda m: m.step((70, 100), "up"), "whole"),
        (lambda m: m.grow(), "at least 1 object"),
        (lambda m: m.grow(99), "no object 99"),
        (lambda m: m.grow(1, pixels=0), "give 1 to 1000, or -1 to -1000"),
        (lambda m: m.grow(1, pixels=2000), "give 1 to 1000"),
        (lambda m: m.grow(1, pixels=0.5), "a whole number, and not 0.5"),
        (lambda m: m.grow(1, 4, pixels=-11), "nothing of object 4 would be left: remove it"),
        (lambda m: m.lock(0), "greater than or equal to 1"),
        (lambda m: m.merge(), "merge takes two objects at least"),
        (lambda m: m.remove(1.5), "told by its number, a whole one"),
        (lambda m: m.remove("1"), "told by its number, a whole one"),
        (lambda m: m.split(2**31, stroke=[(0, 0), (9, 9)]), "there is no object 2147483648"),
        (lambda m: m.release(1), "neither locked nor removed"),
        (lambda m: m.paint(np.zeros((4, 4), int)), "give the labels of the same image"),
        (lambda m: m.paint(np.full(SHAPE, -1)), "number the objects anew"),
        (lambda m: m.paint(np.full(SHAPE, 0.5)), "whole numbers"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_changes(mends, act, words):
    before = mends.labels.copy()
    with pytest.raises(MendError, match=words) as caught:
        act(mends)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(mends.labels, before)
    assert mends.steps == () and mends.next_label == 7


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((2, 3, 4), int), "one plane"),
        (np.zeros((3, 4)), "whole numbers"),
        (np.full((3, 4), -1), "from 0"),
        (np.full((3, 4), 2**31, np.int64), "from 0"),
    ],
)
def test_what_is_no_label_image_is_refused(labels, words):
    with pytest.raises(MendError, match=words):
        Mends(labels)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"action": "explode"}, "step 1.*explode"),
        ({"action": "remove", "labels": ["a"]}, r"step 1.*labels"),
        ({"action": "remove", "labels": [True]}, r"step 1.*labels"),
        ({"action": "add", "point": [1, 2], "more": 3}, "step 1.*more"),
        ({"action": "settle", "settings": {"nothing": 1}}, "step 1.*nothing"),
        ("add", "step 1"),
        (None, "step 1"),
        ({"action": "add", "mask": {"y0": 0, "x0": 0, "size": [5, 5], "counts": "zz9"}}, "damaged"),
        ({"action": "add", "mask": {"y0": 95, "x0": 0, "size": [2, 2], "counts": "04"}}, "reaches to row 97"),
        ({"action": "add", "mask": {"y0": 0, "x0": 0, "size": [10**9, 10**9], "counts": "0"}}, "damaged"),
    ],
)
def test_damaged_steps_are_refused_in_a_line(mends, step, words):
    with pytest.raises(MendError, match=words) as caught:
        mends.replay([step])
    assert "\n" not in str(caught.value)
    assert mends.steps == ()


def test_steps_are_plain_json(mends):
    mends.split(stroke=[(5, 40), (56, 40)])
    mends.paint(np.where(mends.labels == 4, 30, mends.labels))
    mends.settle(CHOOSE.replace(pred_iou_thresh=0.9))
    told = json.loads(json.dumps([step.to_json() for step in mends.steps]))
    assert told[0] == {
        "action": "split", "stroke": [[5.0, 40.0], [56.0, 40.0]], "label": 1, "into": [7],
    }  # fmt: skip
    assert actions_from(told) == mends.steps
    assert isinstance(mends.steps[0], Split)
    carried = mends.carried()
    assert actions_from(json.loads(json.dumps([carried.to_json()]))) == (carried,)
    assert isinstance(carried, Carry)


def test_numbers_may_be_as_large_as_they_are_and_no_larger():
    tracemalloc.start()
    labels = np.zeros(SHAPE, np.int64)
    labels[5:20, 5:20], labels[5:20, 40:60], labels[30:40, 40:60] = 7, 2_000_000_000, 2_000_000_000
    mends = Mends(labels)
    assert mends.split(2_000_000_000, seeds=[(10, 50), (35, 50)]).labels == (2_000_000_000, 2_000_000_001)
    painted = mends.labels.astype(np.int64)
    painted[60:70, 60:70] = 2**31 - 1
    mends.paint(painted)
    mends.merge(7, 2_000_000_000)
    mends.remove(2_000_000_001)
    facts = facts_with(None, mends.kept, mends.labels)
    assert dict(zip(facts.ids.tolist(), facts.mask_area.tolist(), strict=True)) == {7: 525, 2**31 - 1: 100}
    with pytest.raises(MendError, match="no number above 2,147,483,647 left"):
        mends.add(mask=mends.labels == 0)
    mends.release()
    assert shown(mends) == {7, 2_000_000_000}
    while mends.next_undo is not None:
        mends.undo()
    np.testing.assert_array_equal(mends.labels, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # nothing is as long as the largest number


def test_an_object_that_was_merged_from_one_half_hidden_keeps_its_pixels_in_another_run(candidates):
    mends = Mends(candidates, SETTINGS)
    left, whole, right = (NUMBERS[name] for name in ("left", "whole", "right"))
    mends.merge(left, whole)
    merged, beside = mends.labels == left, mends.labels == right
    assert mends._state.gone[whole].former is not None and beside.any()
    again = Mends(candidates, SETTINGS)
    (number,) = again.do(mends.carried()).labels
    np.testing.assert_array_equal(again.labels == number, merged)
    np.testing.assert_array_equal(again.labels == right, beside)
