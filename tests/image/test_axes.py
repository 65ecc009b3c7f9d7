"""Axes by name: which fit an image, and one plane cut out, whatever their order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import zarr

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.image.axes import check_axes, cut, guess_axes, key_of, plane_shape, shown_axes

LENGTHS = {"T": 2, "Z": 4, "C": 5, "Y": 6, "X": 7, "S": 3}
WHOLE = np.random.default_rng(0).integers(0, 255, tuple(LENGTHS.values())).astype(np.uint16)


@pytest.mark.parametrize("axes", ["".join(order) for order in permutations("ZYXS")])
def test_a_plane_has_rows_columns_and_colours_in_this_order(axes):
    array = np.einsum(f"tzcyxs->{axes.lower()}", WHOLE[:1, :, :1])
    np.testing.assert_array_equal(cut(array, axes, {"Z": 2}), WHOLE[0, 2, 0])
    part = cut(array, axes, {"Z": 3, "Y": slice(1, 4), "X": slice(5, None)})
    np.testing.assert_array_equal(part, WHOLE[0, 3, 0, 1:4, 5:])


@pytest.mark.parametrize("axes", ["TZCYX", "XTCYZ", "CYTXZ"])
def test_a_plane_of_five_axes(axes):
    array = np.einsum(f"tzcyx->{axes.lower()}", WHOLE[..., 0])
    np.testing.assert_array_equal(cut(array, axes, {"T": 1, "Z": 3, "C": 4}), WHOLE[1, 3, 4, ..., 0])
    assert plane_shape(axes, array.shape) == tuple(LENGTHS[axis] for axis in axes if axis not in "YX")
    assert plane_shape(axes, array.shape, "YXSC") == tuple(LENGTHS[a] for a in axes if a in "TZ")


def test_of_a_file_only_the_part_asked_for_is_read(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", data=WHOLE[0, ..., 0], chunks=(1, 5, 6, 7))
    for chunk in (0, 1, 3):
        (tmp_path / "a.zarr" / "c" / str(chunk) / "0" / "0" / "0").write_bytes(b"damaged")
    np.testing.assert_array_equal(cut(array, "ZCYX", {"Z": 2, "C": 1}), WHOLE[0, 2, 1, ..., 0])


def test_axes_that_are_only_numbers():
    assert shown_axes(4, 1, 3) == "aYcX"
    assert shown_axes(4, 3, 1, samples=0) == "SXcY"
    assert key_of("aYcX", {"a": 1, "c": 2}) == (1, slice(None), 2, slice(None))
    turned = cut(WHOLE[0, :, 0, ..., 0], shown_axes(3, 2, 1), {"a": 1})
    np.testing.assert_array_equal(turned, WHOLE[0, 1, 0, ..., 0].T)
    # What is laid on the last axis without a name stays there, turned with the rest or not.
    np.testing.assert_array_equal(cut(WHOLE[0, :, 0], "aYX", {"a": 1}), WHOLE[0, 1, 0])
    np.testing.assert_array_equal(cut(WHOLE[0, :, 0], "aXY", {"a": 1}), WHOLE[0, 1, 0].swapaxes(0, 1))


@pytest.mark.parametrize(
    ("shape", "dtype", "axes"),
    [
        ((5, 6), np.uint8, "YX"),
        ((5, 6, 3), np.uint8, "YXS"),
        ((5, 6, 3), np.uint16, "aYX"),
        ((2, 5, 6, 4), np.uint8, "aYXS"),
        ((7,), np.uint8, "?"),
    ],
)
def test_what_axes_are_without_names(shape, dtype, axes):
    assert guess_axes(shape, dtype) == axes


@pytest.mark.parametrize(
    ("axes", "shape", "words"),
    [
        ("YX", (2, 5, 6), "axes 'YX' do not fit a.tif, whose shape is 2x5x6: give one letter for each axis"),
        ("YYX", (2, 5, 6), "do not fit"),
        ("ZTC", (2, 5, 6), "Y and X among them"),
        ("ZYX", (0, 5, 6), r"a.tif is empty \(ZYX 0x5x6\)"),
        ("YXS", (5, 6, 2), r"axis S of a.tif \(YXS 5x6x2\) has 2 samples, not 3 or 4 colours"),
    ],
)
def test_axes_that_do_not_fit(axes, shape, words):
    with pytest.raises(ImageError, match=words):
        check_axes(axes, shape, "a.tif")
