"""Any image to the model's view."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.image.intensity import mean_intensities
from napari_sam2_automask.image.projection import project_planes
from napari_sam2_automask.image.view import contrast_range, image_hash, is_rgb, to_model_view

RAMP = np.arange(20).reshape(4, 5)
REAL_DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">u2", ">f4", ">i8"]


def view_of(plane, **kwargs):
    view = to_model_view(plane, **kwargs)
    assert view.dtype == np.uint8
    assert view.flags.c_contiguous
    assert view.flags.writeable
    assert view.ndim == 3 and view.shape[-1] == 3
    return view


@pytest.mark.parametrize("dtype", REAL_DTYPES)
def test_gray_of_every_dtype_spans_black_to_white(dtype):
    view = view_of(RAMP.astype(dtype), percentiles=(0, 100))
    assert view.shape == (4, 5, 3)
    assert view.min() == 0 and view.max() == 255
    assert (view == view[..., :1]).all()
    if dtype != "?":
        expected = np.round(RAMP / 19 * 255)
        assert np.abs(view[..., 0] - expected).max() <= 1


@pytest.mark.parametrize(
    "plane",
    [RAMP[::-1, ::-1], RAMP.T, np.asfortranarray(RAMP), RAMP[::2, ::3], np.broadcast_to(RAMP[:1], (4, 5))],
    ids=["negative stride", "transposed", "fortran", "strided", "broadcast"],
)
def test_memory_layout_does_not_matter(plane):
    assert np.array_equal(view_of(plane), view_of(plane.copy()))


def test_read_only_input_is_neither_changed_nor_shared():
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    image.flags.writeable = False
    view = view_of(image)
    assert np.array_equal(view, image)
    view[:] = 0
    assert image.max() == 47


def test_lists_are_taken_for_arrays():
    assert view_of([[0, 1], [2, 3]])[1, 1, 0] == 255


def test_nan_and_infinity_are_black_and_do_not_move_the_contrast():
    image = np.linspace(10, 20, 100).reshape(10, 10)
    clean = view_of(image, percentiles=(0, 100))
    image[3, 4], image[5, 6], image[7, 8] = np.nan, np.inf, -np.inf
    view = view_of(image, percentiles=(0, 100))
    assert view[3, 4].max() == view[5, 6].max() == view[7, 8].max() == 0
    good = np.isfinite(image)
    assert np.array_equal(view[good], clean[good])


def test_masked_pixels_are_black():
    image = np.ma.masked_array(RAMP, mask=RAMP == 19)
    view = view_of(image, percentiles=(0, 100))
    assert view[-1, -1, 0] == 0
    assert view[-1, -2, 0] == 255


def test_float16_and_the_largest_floats_do_not_overflow():
    assert view_of(np.array([[-6e4, 0, 6e4]], dtype=np.float16))[0, :, 0].tolist() == [0, 128, 255]
    largest = np.array([[-1.7e308, 0, 1.7e308]])
    assert view_of(largest, percentiles=(0, 100))[0, :, 0].tolist() == [0, 128, 255]


def test_percentiles_keep_hot_pixels_from_darkening_the_image():
    image = np.tile(np.arange(100, dtype=np.uint16), (100, 1))
    image[50, 50] = 65535
    assert contrast_range(image) == pytest.approx((0, 99), abs=1)
    assert view_of(image)[0, 80, 0] > 200


def test_few_bright_spots_on_black_stay_visible():
    image = np.zeros((300, 300), dtype=np.float32)
    image[10:13, 10:13] = 5
    assert contrast_range(image) == (0, 5)
    assert view_of(image)[11, 11, 0] == 255


def test_contrast_limits_clip():
    view = view_of(np.array([[0, 100, 150, 200, 1000]], dtype=np.uint16), contrast_limits=(100, 200))
    assert view[0, :, 0].tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("value", [0, 7, 255])
def test_constant_image_is_flat_and_black(value):
    assert view_of(np.full((6, 7), value, dtype=np.uint8)).max() == 0


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_one_pixel(dtype):
    assert view_of(np.ones((1, 1), dtype=dtype)).shape == (1, 1, 3)


def test_rgb_uint8_is_passed_and_alpha_dropped():
    rgba = np.arange(4 * 5 * 4, dtype=np.uint8).reshape(4, 5, 4)
    assert np.array_equal(view_of(rgba), rgba[..., :3])
    assert np.array_equal(view_of(rgba[..., :3], contrast_limits=(0, 10)), rgba[..., :3])


def test_rgb_of_other_dtypes_is_stretched_jointly():
    image = np.zeros((10, 10, 3), dtype=np.uint16)
    image[..., 0] = 1000
    image[..., 1] = 500
    view = view_of(image, rgb=True)
    assert view[0, 0].tolist() == [255, 128, 0]


def test_alpha_takes_no_part_in_the_contrast():
    image = np.zeros((4, 4, 4), dtype=np.float32)
    image[..., 0] = 1
    image[..., 3] = 1e6
    assert view_of(image, rgb=True)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("image", "rgb", "answer"),
    [
        (np.zeros((4, 3), np.uint8), None, False),
        (np.zeros((4, 5, 3), np.uint8), None, True),
        (np.zeros((4, 5, 4), np.uint8), None, True),
        (np.zeros((4, 5, 3), np.uint16), True, True),
    ],
)
def test_is_rgb(image, rgb, answer):
    assert is_rgb(image, rgb) is answer


@pytest.mark.parametrize(
    ("image", "kwargs", "words"),
    [
        (np.zeros(()), {}, "0 axes"),
        (np.zeros(5), {}, "1 axes"),
        (np.zeros((0, 5)), {}, "empty"),
        (np.zeros((5, 5, 0)), {}, "empty"),
        (np.zeros((2, 5, 6), np.uint8), {}, "choose one plane"),
        (np.zeros((5, 6, 3), np.uint16), {}, "rgb=True"),
        (np.zeros((5, 6, 3), np.uint8), {"rgb": False}, "choose one plane"),
        (np.zeros((5, 6), np.uint8), {"rgb": True}, "colour image"),
        (np.zeros((2, 5, 6, 3), np.uint8), {"rgb": True}, "colour image"),
        (np.zeros((5, 6), complex), {}, "np.abs"),
        (np.full((5, 6), None), {}, "holds no intensities"),
        (np.full((5, 6), "a"), {}, "holds no intensities"),
        (np.zeros((5, 6), "datetime64[s]"), {}, "holds no intensities"),
        ([[1, 2], [3]], {}, "array of numbers"),
        (np.full((5, 6), np.nan), {}, "no finite value"),
        (np.full((5, 6), np.inf, np.float16), {}, "no finite value"),
        (RAMP, {"contrast_limits": (5, 5)}, "contrast_limits"),
        (RAMP, {"contrast_limits": (0, np.nan)}, "contrast_limits"),
        (RAMP, {"contrast_limits": 7}, "contrast_limits"),
        (RAMP, {"percentiles": (50, 101)}, "percentiles"),
        (RAMP, {"percentiles": (99, 1)}, "percentiles"),
    ],
)
def test_what_is_no_image_is_refused_with_advice(image, kwargs, words):
    with pytest.raises(ImageError, match=words) as caught:
        to_model_view(image, **kwargs)
    assert "\n" not in str(caught.value)
    assert ":" in str(caught.value)


def test_a_large_image_gives_the_same_view_as_its_parts():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2500, 2100)).astype(np.float32)
    limits = contrast_range(image)
    whole = view_of(image)
    parts = np.concatenate([view_of(part, contrast_limits=limits) for part in np.array_split(image, 7)])
    assert np.array_equal(whole, parts)


def test_few_finite_values_of_a_large_image_are_found():
    image = np.full((2500, 2101), np.nan, dtype=np.float32)
    image[1, 1], image[1, 3] = 1, 2
    view = view_of(image)
    assert view[1, 3, 0] == 255 and view.sum() == 255 * 3


def test_hash_is_of_the_values_not_the_layout():
    image = np.arange(60, dtype="<u2").reshape(6, 10)
    assert image_hash(image) == image_hash(image.astype(">u2")) == image_hash(np.asfortranarray(image))
    assert image_hash(image) == image_hash(image[::-1][::-1])
    different = [image + 1, image.reshape(10, 6), image.astype("<i2"), image.astype("<u4"), image[:-1]]
    assert len({image_hash(image), *map(image_hash, different)}) == 6
    assert image_hash(np.float32(3)) != image_hash(np.float32(4))


def test_hash_over_several_blocks_sees_every_row():
    image = np.zeros((5000, 2000), dtype=np.uint8)
    changed = image.copy()
    changed[-1, -1] = 1
    assert image_hash(image) != image_hash(changed)


EDGES = {
    "float64": (0.0, 1e308, 1.7976931348623157e308),
    "float64 below 0": (-1.7976931348623157e308, 0.0, 1.7976931348623157e308),
    "float64 subnormal": (0.0, 5e-324, 1e-323),
    "float64 small": (0.0, 1e-310, 2e-310),
    "float32": (-3.4e38, 0.0, 3.4e38),
    "float32 subnormal": (0.0, 1e-45, 2.8e-45),
    "float16": (-65504.0, 0.0, 65504.0),
    "longdouble": (0.0, 1e308, 1.7e308),
    "int64": (-(2**63), 0, 2**63 - 1),
    "uint64": (0, 2**63, 2**64 - 1),
    "int8": (-128, 0, 127),
}


@pytest.mark.parametrize("name", EDGES)
def test_the_ends_of_every_type_are_black_and_white(name):
    dark, middle, bright = EDGES[name]
    image = np.array([[dark] * 4, [middle] * 4, [bright] * 4], np.dtype(name.split()[0]))
    limits = contrast_range(image, percentiles=(0, 100))
    assert np.isfinite(limits).all() and limits[0] < limits[1]
    view = to_model_view(image, contrast_limits=limits)
    held = [Fraction(row[0].item() if image.dtype.kind == "i" else float(row[0])) for row in image]
    share = float((held[1] - held[0]) / (held[2] - held[0]))
    assert [int(row[0, 0]) for row in view] == [0, pytest.approx(255 * share, abs=1), 255]
    for flat in (dark, middle, bright):
        assert not to_model_view(np.full((5, 5), flat, image.dtype)).any()


def test_what_lies_far_beyond_the_limits_is_black_or_white():
    image = np.array([[-1.7e308, 0.0, 1e-320, 1.7e308, np.nan, np.inf]])
    view = to_model_view(image, contrast_limits=(0.0, 1e-320))
    assert view[0, :, 0].tolist() == [0, 0, 255, 255, 0, 0]


@pytest.mark.parametrize(
    ("planes", "mean"),
    [
        (np.full((3, 2, 2), 1.7e308), 1.7e308),
        (np.array([1.7e308, -1.7e308, 1.7e308])[:, None, None] * np.ones((1, 2, 2)), 1.7e308 / 3),
        (np.full((3, 2, 2), 1e300), 1e300),
        (np.full((3, 2, 2), 1e-300), 1e-300),
        (np.full((3, 2, 2), np.iinfo(np.uint64).max), float(2**64)),
        (np.full((3, 2, 2), np.finfo(np.float16).max, np.float16), 65504.0),
    ],
)
def test_a_mean_of_the_largest_numbers_is_one(planes, mean):
    assert project_planes(iter(planes), "mean") == pytest.approx(np.full((2, 2), mean), rel=1e-6)
    assert mean_intensities(
        [planes[0]], np.ones((2, 2), int), {1: (slice(0, 2), slice(0, 2))}
    ) == pytest.approx(float(planes[0, 0, 0]), rel=1e-12)


def test_a_mean_of_ordinary_numbers_is_of_single_precision():
    mean = project_planes([np.array([[0, 1]], np.uint8), np.array([[0, 2]], np.uint8)], "mean")
    assert mean.dtype == np.float32 and mean.tolist() == [[0.0, 1.5]]
