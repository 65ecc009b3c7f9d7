"""What is learned from and what is held back; windows of incomplete labels and of objects that count more."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_automask.errors import ImageError, LearningError
from napari_sam2_automask.learning.lessons import hash_of_lessons, lessons_of
from napari_sam2_automask.learning.windows.training_image import TrainingImage
from napari_sam2_automask.learning.windows.windows import dense_targets, window


def squares(rows: int = 5, columns: int = 4) -> np.ndarray:
    """Squares of 12 pixels in a grid of 24, numbered by tens."""
    labels = np.zeros((24 * rows, 24 * columns), np.int32)
    for i in range(rows):
        for j in range(columns):
            labels[24 * i + 6 : 24 * i + 18, 24 * j + 6 : 24 * j + 18] = 10 * (i * columns + j + 1)
    return labels


def one(labels: np.ndarray, **more):
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    given = {"complete": [True], "weights": [{}], "names": ["cells.tif"], **more}
    [lesson] = lessons_of([image], [labels], **given)
    return lesson


def test_a_fifth_of_the_objects_is_held_back_across_the_longer_side():
    lesson = one(squares())
    assert lesson.objects == 20
    assert lesson.held_objects == (1, 2, 3, 4)
    assert lesson.held[:24].all() and not lesson.held[24:].any()
    assert lesson.training.objects.shape == (96, 96)
    assert set(np.unique(lesson.training.objects)) == {0, *range(5, 21)}


def test_objects_in_a_row_are_parted_across_the_other_side():
    labels = np.zeros((100, 90), np.int32)
    for i, x in enumerate((10, 40, 70), 1):
        labels[40:52, x : x + 12] = i
    lesson = one(labels)
    assert len(lesson.held_objects) == 1
    assert lesson.held.all(0).any()


def test_one_object_in_each_of_two_images_holds_one_image_back():
    labels = np.zeros((60, 60), np.int32)
    labels[20:40, 20:40] = 7
    image = (labels * 20).astype(np.uint8)
    lessons = lessons_of([image, image], [labels, labels], [True] * 2, [{}, {}], ["a", "b"])
    assert sorted(len(lesson.held_objects) for lesson in lessons) == [0, 1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda labels: {"labels": labels * 0}, "no object is labelled"),
        (lambda labels: {"labels": np.where(labels == 10, 1, 0)}, "one object is labelled"),
        (
            lambda labels: {"labels": labels[:-1]},
            "cells.tif: the labels have shape 119 x 96, the image 120 x 96",
        ),
        (
            lambda labels: {"labels": np.stack([labels, labels])},
            "cells.tif: objects overlap: the pixel in row 6",
        ),
        (lambda labels: {"complete": [np.ones((4, 4))]}, "labelled completely has shape 4 x 4"),
        (lambda labels: {"weights": [{3: 2.0}]}, "weights name label 3"),
        (lambda labels: {"names": ["a", "b"]}, "1 images and 2 names"),
    ],
)
def test_what_nothing_can_be_learned_from_is_said(change, says):
    labels = squares()
    more = change(labels)
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    given = {"complete": [True], "weights": [{}], "names": ["cells.tif"], **more}
    with pytest.raises(LearningError, match=says):
        lessons_of([image], [given.pop("labels", labels)], **given)


def test_labels_that_are_no_numbers_and_images_of_two_kinds_are_refused():
    labels = squares()
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    with pytest.raises(ImageError, match=r"cells.tif: its label image holds float64"):
        lessons_of([image], [labels + 0.5], [True], [{}], ["cells.tif"])
    colour = np.stack([image, image // 2, image], -1)
    with pytest.raises(LearningError, match=r"some images are gray \(a\) and some have colours \(b\)"):
        lessons_of([image, colour], [labels, labels], [True] * 2, [{}, {}], ["a", "b"])


def test_levels_that_do_not_overlap_are_joined():
    labels = squares()
    levels = np.stack([np.where(labels <= 100, labels, 0), np.where(labels > 100, labels, 0)])
    assert one(levels[0] + levels[1]).objects == 20
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    [lesson] = lessons_of([image], [levels], [True], [{}], ["a"])
    assert np.array_equal(lesson.whole.objects > 0, labels > 0)
    assert lesson.objects == 20


def test_the_hash_tells_labels_regions_and_weights():
    labels = squares()
    other = labels.copy()
    other[0, 0] = 10
    hashes = {
        hash_of_lessons([lesson])
        for lesson in (
            one(labels),
            one(other),
            one(labels, complete=[False]),
            one(labels, weights=[{10: 2.0}]),
        )
    }
    assert len(hashes) == 4
    assert hash_of_lessons([one(labels)]) == hash_of_lessons([one(labels)])


def test_outside_of_what_is_complete_unlabelled_ground_says_nothing():
    labels = squares(8, 8)
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    complete = np.zeros(labels.shape, bool)
    complete[:, :96] = True
    known = TrainingImage(image, [labels], "own", 1.0, "a", complete=complete, alike=True)
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(40):
        item = window(known, 128, 12, rng)
        ground = item["points"][item["points"][:, 3] == 0]
        for x, y, *_ in ground.astype(int) // 4:
            assert item["negatives"][max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max() == 1
        seen |= set(np.unique(item["negatives"]))
    assert seen == {0.0, 1.0}
    nowhere = TrainingImage(image, [labels], "own", 1.0, "a", complete=complete & False, alike=True)
    item = window(nowhere, 128, 12, rng)
    assert not item["negatives"].any()
    assert (item["points"][:, 3] > 0).all()


def test_objects_that_count_more_are_asked_more_and_weigh_more():
    labels = squares(2, 2) // 10
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    known = TrainingImage(image, [labels], "own", 0.0, "a", weights={1: 0.0, 2: 9.0}, alike=True)
    rng = np.random.default_rng(1)
    asked = np.concatenate([window(known, 320, 8, rng, varied=False)["points"][:, 3] for _ in range(60)])
    shares = np.bincount(asked.astype(int), minlength=5)[1:] / len(asked)
    assert shares[0] == 0
    assert shares[1] == pytest.approx(9 / 11, abs=0.06)
    boxes = np.concatenate([window(known, 320, 2, rng, boxes=8)["boxes"][:, 4] for _ in range(5)])
    assert 1 not in boxes
    alone = TrainingImage(image, [labels], "own", 0.0, "a", weights=dict.fromkeys(range(1, 5), 0.0))
    assert window(alone, 320, 8, rng) is None
    plain, weighted = dense_targets(labels)[4], dense_targets(labels, {1: 0.0, 2: 9.0})[4]
    cells = labels[2::4, 2::4]
    assert not weighted[cells == 1].any()
    np.testing.assert_allclose(weighted[cells == 2], 9 * plain[cells == 2])
    np.testing.assert_allclose(weighted[cells == 3], plain[cells == 3])
