"""Ground truth of any type and with any numbers: scored as with small ones, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.evaluation.comparison import compare_with_truth
from napari_sam2_automask.evaluation.label_image import label_image
from napari_sam2_automask.evaluation.score import (
    best_ious,
    double_masks,
    doubly_masked,
    f1,
    iou_matrix,
    unlabelled,
)
from napari_sam2_automask.evaluation.sweep_table import boundary_f, recall_by_size
from napari_sam2_automask.evaluation.tuning_search import Examples

SMALL = np.zeros((24, 24), np.int64)
SMALL[2:9, 2:9], SMALL[12:22, 3:20] = 1, 2
FOUND = np.roll(SMALL, 1, 0).astype(np.uint16)
# Numbers for the two objects.
HUGE = {
    "uint64": np.array([0, 5, 2**64 - 1], np.uint64),
    "int64": np.array([0, 2**62, 2**63 - 1], np.int64),
    "int64 with -1 for what is not known": np.array([-1, 7, 2**40], np.int64),
    "uint32": np.array([0, 1, 2**32 - 1], np.uint32),
    "float32": np.array([0, 1, 2**24], np.float32),
    "float64": np.array([-0.0, 1, 2**53], np.float64),
    "bool": None,
}


@pytest.mark.parametrize("kind", HUGE)
def test_scores_are_those_of_small_numbers(kind):
    truth, plain = (SMALL > 0, np.minimum(SMALL, 1)) if kind == "bool" else (HUGE[kind][SMALL], SMALL)
    masks = [FOUND == 1, FOUND == 2, SMALL == 2]
    for score in (f1, iou_matrix, unlabelled, double_masks, boundary_f, recall_by_size):
        np.testing.assert_equal(score(FOUND, label_image(truth)), score(FOUND, plain))
    assert doubly_masked(masks, truth) == doubly_masked(masks, plain)
    np.testing.assert_array_equal(best_ious(masks, truth), best_ious(masks, plain))
    np.testing.assert_array_equal(Examples.of(label_image(truth), None).area, Examples.of(plain, None).area)
    view = np.zeros((24, 24, 3), np.uint8)
    assert (
        compare_with_truth(view, FOUND, label_image(truth)).size
        == compare_with_truth(view, FOUND, plain).size
    )


@pytest.mark.parametrize(
    "truth",
    [
        SMALL / 2, np.full((24, 24), np.nan), np.full((24, 24), np.inf), np.full((24, 24), 1e300),
        SMALL.astype(complex),
        SMALL.astype(str), SMALL.astype(object),
        SMALL[None], SMALL[0], np.zeros((0, 24)), 3, None, [[1], [1, 2]],
    ],
)  # fmt: skip
def test_what_is_no_label_image(truth):
    for score in (f1, iou_matrix, unlabelled):
        with pytest.raises(ImageError) as error:
            score(FOUND, truth)
        assert "\n" not in str(error.value) and "ground truth" in str(error.value)


def test_an_image_in_place_of_labels_fills_no_memory():
    noise = np.arange(2**20).reshape(1024, 1024)
    with pytest.raises(ImageError, match="1,048,576 labels and 1,048,576 in the ground truth are too many"):
        f1(noise, noise)
