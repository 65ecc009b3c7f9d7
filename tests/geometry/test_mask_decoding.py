"""Segmentations of COCO: pycocotools' own masks, and whatever else is refused before it sees them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mask_factory import random_masks
from pycocotools import mask as coco_mask

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.geometry import mask_decoding
from napari_sam2_automask.geometry.mask_decoding import MaskDecoder, MaskError, checked_shape, decode_mask
from napari_sam2_automask.geometry.run_lengths import uncompressed_rle
from napari_sam2_automask.image.region import Region

SHAPE = (23, 17)


def test_run_lengths_are_decoded_as_pycocotools_does():
    rng = np.random.default_rng(0)
    large = [rng.random((300, 400)) < share for share in (0.01, 0.5, 0.999)]
    whole = [np.ones((200, 1), bool), np.ones((1, 200), bool)]
    for mask in (*random_masks(SHAPE, 200, seed=1), *large, *whole):
        rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        for counts in (
            rle["counts"],
            rle["counts"].decode(),
            uncompressed_rle(0, 0, mask, mask.shape)["counts"],
        ):
            found = decode_mask({"size": list(mask.shape), "counts": counts}, mask.shape)
            np.testing.assert_array_equal(found, mask)


def test_polygons_are_decoded_as_pycocotools_does():
    rng = np.random.default_rng(0)
    drawn = 0
    for k in range(300):
        # Also beyond the edges, and several parts that overlap.
        parts = [
            (rng.random(2 * rng.integers(3, 8)) * 60 - 20).round(k % 3).tolist() for _ in range(k % 4 + 1)
        ]
        expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(parts, *SHAPE))).astype(bool)
        if expected.any():
            np.testing.assert_array_equal(decode_mask(parts, SHAPE), expected)
            placed = MaskDecoder()(parts, SHAPE)
            assert placed.mask.any(0)[[0, -1]].all() and placed.mask.any(1)[[0, -1]].all()
            drawn += 1
    assert drawn > 200


def test_parts_that_enclose_nothing_are_left_out():
    square = [2, 3, 8, 3, 8, 9, 2, 9]
    np.testing.assert_array_equal(decode_mask([[1, 1, 5, 5], square], SHAPE), decode_mask([square], SHAPE))


SQUARE = [2, 3, 8, 3, 8, 9, 2, 9]
SIZE = {"size": list(SHAPE)}
BAD = {
    "nothing": (None, "segmentation"),
    "an empty list": ([], "segmentation"),
    "an empty mapping": ({}, "segmentation"),
    "a number": (5, "segmentation"),
    "a text": ("abc", "segmentation"),
    "two points": ([[1, 2, 3, 4]], "three points"),
    "no points": ([[]], "three points"),
    "a flat polygon": (SQUARE, "list of x and y"),
    "an odd count": ([[*SQUARE, 4]], "list of x and y"),
    "texts": ([[str(v) for v in SQUARE]], "list of x and y"),
    "truths": ([[True, *SQUARE[1:]]], "list of x and y"),
    "lists": ([[[v] for v in SQUARE]], "list of x and y"),
    "none": ([[None] * 8], "list of x and y"),
    "not a number": ([[math.nan, *SQUARE[1:]]], "far outside"),
    "infinite": ([[math.inf, *SQUARE[1:]]], "far outside"),
    "far": ([[0, 0, 1e9, 0, 1e9, 1e9]], "far outside"),
    "very far": ([[0, 0, 10**400, 0, 5, 5]], "far outside"),
    "above": ([[2, -9, 8, -9, 8, -3]], "without a pixel"),
    "mapping of polygons": ({"0": SQUARE}, "size"),
    "no size": ({"counts": [391]}, "size"),
    "other size": ({"size": [5, 5], "counts": [25]}, "size"),
    "size of texts": ({"size": ["23", "17"], "counts": [391]}, "size"),
    "size of a number": ({"size": 391, "counts": [391]}, "size"),
    "no counts": (SIZE, "run lengths"),
    "counts of a number": ({**SIZE, "counts": 391}, "run lengths"),
    "too few": ({**SIZE, "counts": [390]}, "run lengths"),
    "too many": ({**SIZE, "counts": [0, 392]}, "run lengths"),
    "below 0": ({**SIZE, "counts": [400, -9]}, "run lengths"),
    "that turn round": ({**SIZE, "counts": [2**63, 391 - 2**63]}, "run lengths"),
    "huge": ({**SIZE, "counts": [10**30]}, "run lengths"),
    "fractions": ({**SIZE, "counts": [390.5, 0.5]}, "run lengths"),
    "counts of texts": ({**SIZE, "counts": ["391"]}, "run lengths"),
    "counts of truths": ({**SIZE, "counts": [390, True]}, "run lengths"),
    "background alone": ({**SIZE, "counts": [391]}, "without a pixel"),
    "no text": ({**SIZE, "counts": ""}, "run lengths"),
    "text that stops": ({**SIZE, "counts": "oooo"}, "run lengths"),
    "a digit too many": ({**SIZE, "counts": "oooooooo0"}, "run lengths"),
    "other letters": ({**SIZE, "counts": "zzzz"}, "run lengths"),
    "letters that are not ASCII": ({**SIZE, "counts": "\u7d30\u80de"}, "run lengths"),
    "text of another size": ({**SIZE, "counts": "1111"}, "run lengths"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_a_mask_is_refused(name):
    segmentation, words = BAD[name]
    with pytest.raises(MaskError, match=words):
        decode_mask(segmentation, SHAPE)


@pytest.mark.parametrize(
    "shape",
    [(0, 5), (5, -1), (2**31, 2**31), (2**14, 2**14 + 1), (1, 2**28 + 1), (5.5, 5), ("5", "5"), (True, 5),
     (None, 5), (math.nan, 5), (math.inf, 5), (10**400, 5), ([5], 5)],
)  # fmt: skip
def test_shapes_that_cannot_be_are_refused(shape):
    with pytest.raises(MaskError):
        checked_shape(*shape)


def test_the_largest_image_takes_its_outline_alone():
    assert checked_shape(1, 2.0**28) == (1, 2**28)
    shape = checked_shape(2**14, 2**14)
    placed = MaskDecoder()([[100, 16000, 103, 16000, 103, 16384, 100, 16384]], shape)
    assert (placed.y0, placed.x0, placed.mask.shape) == (16000, 100, (384, 3))


def test_outlines_and_files_without_end_are_refused(monkeypatch):
    zigzag = [v for k in range(400) for v in (k % 2 * 16000, 40 * k)]
    with pytest.raises(MaskError, match="outline longer"):
        decode_mask([zigzag], (2**14, 2**14))
    monkeypatch.setattr(mask_decoding, "_MOST_IN_ALL", 3 * 30 * 20)
    decoder = MaskDecoder()
    for _ in range(3):
        decoder([SQUARE], SHAPE)
    with pytest.raises(MaskError, match="of one file"):
        decoder([SQUARE], SHAPE)


@pytest.mark.parametrize(
    "change",
    [
        {"box": [0, 0, 2**31, 2**31]},
        {"box": [-1, 0, 4, 5]},
        {"box": [5, 0, 0, 5]},
        {"box": [0, 0, math.inf, 5]},
        {"box": [0, 0, 5.5, 5]},
        {"box": [0, 0, True, 5]},
        {"box": ["0", 0, 5, 5]},
        {"box": [0, 0, 5]},
        {"mask": "zzzz"},
        {"mask": [20, 20]},
        {"mask": 5},
    ],
)
def test_a_region_of_a_damaged_record_is_refused(change):
    good = Region("here", (0, 0, 5, 5), np.eye(5, dtype=bool)).to_json()
    assert Region.from_json(good).mask.sum() == 5
    with pytest.raises(SettingsError, match="which part"):
        Region.from_json({**good, **change})
