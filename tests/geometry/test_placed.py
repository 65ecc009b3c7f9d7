"""Where objects lie."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops

from napari_sam2_automask.geometry.placed import Placed, places_of, tight


@pytest.mark.parametrize(
    ("dtype", "largest"),
    [("u1", 200), ("u2", 200), (">u2", 60_000), ("i4", 2_000_000), ("u4", 4_000_000_000), ("i8", 1 << 40)],
)
def test_places_are_the_boxes_of_regionprops(dtype, largest):
    rng = np.random.default_rng(1)
    labels = np.kron(rng.choice([0, 0, 3, 7, 40, 200], (12, 9)), np.ones((3, 4), int)).astype(dtype)
    labels[labels == 200] = largest
    places = places_of(labels)
    assert list(places) == [3, 7, 40, largest]
    small = np.where(labels == largest, 200, labels.astype(int))
    for props, (rows, columns) in zip(regionprops(small), places.values(), strict=True):
        assert props.bbox == (rows.start, columns.start, rows.stop, columns.stop)
    for label, place in places.items():
        assert (labels[place] == label).sum() == (labels == label).sum()


def test_of_several_label_images_a_place_tells_which():
    labels = np.zeros((3, 8, 9), np.uint16)
    labels[0, 1:3, 2:7], labels[2, 4, 5], labels[2, 6:, :2] = 2, 9, 1
    assert places_of(labels) == {
        1: (2, slice(6, 8), slice(0, 2)),
        2: (0, slice(1, 3), slice(2, 7)),
        9: (2, slice(4, 5), slice(5, 6)),
    }


@pytest.mark.parametrize("labels", [np.zeros((0, 5), int), np.zeros((4, 5), np.uint16), np.full((4, 5), -3)])
def test_background_is_nowhere(labels):
    assert places_of(labels) == {}


def test_a_tight_box_is_that_of_regionprops():
    rng = np.random.default_rng(3)
    for _ in range(20):
        mask = np.zeros((12, 17), bool)
        mask[rng.integers(0, 12, 4), rng.integers(0, 17, 4)] = True
        rows, columns = tight(mask)
        (props,) = regionprops(mask.astype(int))
        assert (rows.start, columns.start, rows.stop, columns.stop) == props.bbox
        assert tight(mask.astype(np.int32) * 7) == (rows, columns)
    assert tight(np.ones((3, 4), bool)) == (slice(0, 3), slice(0, 4))
    assert tight(np.zeros((3, 4), bool)) == tight(np.zeros((0, 0), bool)) == (slice(0, 0), slice(0, 0))


def test_what_two_boxes_have_in_common():
    image = np.zeros((9, 12), int)
    one = Placed.at(1, 2, np.ones((4, 5), bool))
    for y0, x0 in [(0, 0), (3, 4), (2, 3), (1, 2), (4, 6)]:
        other = Placed.at(y0, x0, np.ones((3, 3), bool))
        image[one.window], image[other.window] = 1, 2
        image[one.window] += 2
        mine, theirs = one.common(other)
        expected = (image == 4).sum()
        assert one.mask[mine].size == other.mask[theirs].size == expected
        assert (image[one.window][mine] == 4).all() and (image[other.window][theirs] == 4).all()
        assert other.common(one) == (theirs, mine)
        image[:] = 0
    assert one.common(Placed.at(5, 2, one.mask)) is None
    assert one.common(Placed.at(1, 7, one.mask)) is None
