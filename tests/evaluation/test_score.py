"""Known answers of the scores, on arrays small enough to check by eye."""

import numpy as np
import pytest

from napari_sam2_automask.evaluation import score


def strip(*values: int) -> np.ndarray:
    return np.array([values], dtype=np.uint16)


TRUTH = strip(0, 1, 1, 1, 1, 0, 2, 2, 2, 2)


def test_identical_labels_score_one():
    assert score.match(TRUTH, TRUTH) == score.Match(2, 0, 0)
    assert score.f1(TRUTH, TRUTH) == 1.0
    assert score.mean_segmentation_accuracy(TRUTH, TRUTH) == 1.0
    assert score.double_masks(TRUTH, TRUTH) == 0
    assert score.unlabelled(TRUTH, TRUTH) == 0


def test_ids_need_not_be_the_same_or_consecutive():
    assert score.f1(np.where(TRUTH > 0, TRUTH * 300, 0).astype(np.uint16), TRUTH) == 1.0


def test_half_an_object_reaches_exactly_one_half():
    labels = strip(0, 1, 1, 0, 0, 0, 2, 2, 2, 2)
    assert score.match(labels, TRUTH) == score.Match(2, 0, 0)
    assert score.match(labels, TRUTH, 0.55) == score.Match(1, 1, 1)
    assert score.mean_segmentation_accuracy(labels, TRUTH) == pytest.approx((1 + 9 / 3) / 10)


def test_a_missing_and_a_wrong_label():
    labels = strip(7, 1, 1, 1, 1, 0, 0, 0, 0, 0)
    assert score.match(labels, TRUTH) == score.Match(1, 1, 1)
    assert score.f1(labels, TRUTH) == pytest.approx(0.5)
    assert score.unlabelled(labels, TRUTH) == 1


def test_matching_takes_the_most_pairs():
    truth, labels = strip(1, 1, 2, 2, 2, 2), strip(1, 1, 1, 2, 2, 0)
    assert score.match(labels, truth, 0.3) == score.Match(2, 0, 0)
    one = strip(1, 1, 1, 1, 1, 1)  # one label over both counts once
    assert score.match(one, truth, 0.3) == score.Match(1, 0, 1)


def test_masks_that_labels_would_hide_count_too():
    truth = np.array([[1, 1, 1, 1, 1, 0, 2, 2, 0, 0]])
    whole, part, other = truth == 1, truth == 1, truth == 2
    part[0, 2:] = False
    assert score.doubly_masked([whole, part, other], truth) == 1
    assert score.doubly_masked([whole, other], truth) == 0
    assert score.doubly_masked([whole, other, truth >= 0], truth) == 0  # that one lies mostly elsewhere
    assert score.doubly_masked([], truth) == 0


def test_double_masks_wants_two_parts_of_a_fifth():
    truth = np.ones((1, 10), int)
    assert score.double_masks(strip(1, 1, 1, 1, 1, 2, 2, 2, 2, 2), truth) == 1
    assert score.double_masks(strip(1, 1, 1, 1, 1, 1, 1, 1, 1, 2), truth) == 0
    spill = np.array([[1, 1, 0, 0]])  # label 2 lies half outside: not a part of the object
    assert score.double_masks(np.array([[1, 2, 2, 0]]), spill) == 0


def test_unlabelled_ignores_one_label_over_everything():
    truth = np.zeros((10, 10), int)
    truth[:3, :3] = 1
    assert score.unlabelled(np.ones_like(truth), truth) == 1
    assert score.unlabelled(np.zeros_like(truth), truth) == 1


def test_nothing_to_find():
    empty = np.zeros((4, 4), int)
    assert score.f1(empty, empty) == 1.0
    assert score.mean_segmentation_accuracy(empty, empty) == 1.0
    assert score.match(np.eye(4, dtype=int), empty) == score.Match(0, 1, 0)


def test_best_ious_of_overlapping_masks():
    masks = [TRUTH > 0, TRUTH == 2, np.zeros_like(TRUTH, bool)]
    assert score.best_ious(masks, TRUTH) == pytest.approx([0.5, 1.0])
    assert score.best_ious([], TRUTH) == pytest.approx([0.0, 0.0])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shape"):
        score.match(np.zeros((2, 2), int), np.zeros((3, 2), int))
    with pytest.raises(ValueError, match="shape"):
        score.best_ious([np.zeros((2, 2), bool)], np.zeros((3, 2), int))
