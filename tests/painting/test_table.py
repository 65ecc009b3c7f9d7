"""The table of objects: the same columns, types and means, however it is asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from candidate_factory import make_candidates, random_candidates
from mask_factory import make_masks, rectangle

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.image.channels import measure_channels
from napari_sam2_automask.painting.levels import paint_levels
from napari_sam2_automask.painting.table import Facts, object_table

SHAPE = (110, 130)
OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
SMALL = (6, 8)
WHOLE_NUMBERS = [
    "index", "area", "mask_area", "bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1",
    "crop_y0", "crop_x0", "crop_y1", "crop_x1",
]  # fmt: skip
NUMBERS = ["predicted_iou", "stability_score", "area_um2", "point_y", "point_x", "mean_intensity"]


@pytest.fixture(scope="module")
def candidates():
    return random_candidates(SHAPE, 80, seed=4, settings=OPEN)


def both(candidates, image, overlap="small_on_top", **more):
    """Return the table that `paint` makes, and the one made of the labels and the candidates."""
    measures = ("perimeter", "solidity", "intensity_std")
    settings = OPEN.replace(overlap=overlap, measures=measures, **more)
    physical = {"pixel_size": (0.5, 0.2), "unit": "micrometer"}
    masks = select(candidates, settings)
    painted = paint(masks, image=image, **physical)
    layered = overlap == "all_levels"
    shown = paint_levels(SHAPE, masks.placed(), painted.labels.dtype.type) if layered else painted.labels
    facts = Facts.of_candidates(candidates, settings, masks.placed())
    return painted.table, object_table(shown, facts, image=image, **physical)


@pytest.mark.parametrize("overlap", ["small_on_top", "large_on_top", "best_score", "all_levels"])
@pytest.mark.parametrize("kind", ["uint16", "float32", "float64", "rgb", "rgba"])
def test_paint_and_sliders_measure_alike(candidates, overlap, kind):
    rng = np.random.default_rng(0)
    image = {
        "uint16": rng.integers(0, 60_000, SHAPE).astype(np.uint16),
        "rgb": rng.integers(0, 255, (*SHAPE, 3)).astype(np.uint8),
        "rgba": rng.random((*SHAPE, 4)).astype(np.float32),
    }.get(kind, rng.normal(size=SHAPE).astype(kind if kind.startswith("float") else float))
    if image.dtype.kind == "f":
        image[rng.random(image.shape) < 0.1] = np.nan
    one, other = both(candidates, image, overlap)
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert len(one) > 20
    assert {str(one[name].dtype) for name in WHOLE_NUMBERS} == {"int64"}
    assert {str(one[name].dtype) for name in NUMBERS} == {"float64"}
    assert ("level" in one) == (overlap == "all_levels")
    assert {"perimeter", "perimeter_um", "solidity"} < set(one)
    assert ("intensity_std_red" if kind.startswith("rgb") else "intensity_std") in one


@pytest.mark.parametrize("moved", [{"stability_score_offset": 0.4}, {"mask_threshold": 0.5}])
def test_stability_is_that_of_the_settings(moved):
    candidates = random_candidates(SHAPE, 80, seed=4, settings=OPEN, lowest=-2.0)
    one, other = both(candidates, np.ones(SHAPE), **moved)
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    before = candidates.stability_score[one["index"] - 1]
    assert (one["stability_score"] != before).mean() > 0.9
    if "stability_score_offset" in moved:  # a narrower band around the threshold
        assert (one["stability_score"] >= before).all()


def test_the_area_of_a_mask_is_that_of_the_one_that_shows():
    candidates = random_candidates(SHAPE, 80, seed=4, settings=OPEN, holes=True)
    settings = OPEN.replace(min_mask_region_area=25)
    masks = select(candidates, settings)
    painted = paint(masks).table.set_index("index")
    facts = Facts.of_candidates(candidates, settings, masks.placed())
    table = object_table(paint(masks).labels, facts).set_index("index")
    pd.testing.assert_frame_equal(table, painted)
    assert (table["mask_area"] != candidates.area[table.index - 1]).any()


def mean_of(image, *, labels=None):
    """Return the mean intensity of label 3, by all three ways."""
    if labels is None:
        labels = np.zeros(SMALL, np.uint16)
        labels[1:3, 2:5] = 3
    mask = labels == 3
    nobody = Facts.of_candidates(make_candidates(SMALL, []), AmgSettings(), {})
    means = [
        paint(make_masks(SMALL, [mask], ids=[3]), image=image).table["mean_intensity"].item(),
        object_table(labels, nobody, image=image)["mean_intensity"].item(),
    ]
    table = pd.DataFrame({"index": [3]})
    measure_channels(table, labels, [image])
    means.append(table["mean_intensity_c0"].item())
    assert np.array_equal(means, means[:1] * 3, equal_nan=True)
    return means[0]


def test_means_of_gray():
    image = np.arange(48).reshape(SMALL)
    expected = np.mean([10, 11, 12, 18, 19, 20])
    for dtype in (np.uint8, np.int16, np.float32, np.float64):
        assert mean_of(image.astype(dtype)) == expected
    assert mean_of(image.astype(">u2")[:, ::-1].copy()[:, ::-1]) == expected
    assert mean_of(image > 11) == 4 / 6


def test_of_gray_only_finite_pixels_count():
    image = np.arange(48.0).reshape(SMALL)
    image[1, 2], image[2, 4], image[0, 0] = np.nan, -np.inf, np.nan
    assert mean_of(image) == np.mean([11, 12, 18, 19])
    image[1:3, 2:5] = np.nan
    assert np.isnan(mean_of(image))


def test_of_colours_every_finite_sample_counts_and_alpha_does_not():
    image = np.zeros((*SMALL, 3))
    image[1:3, 2:5] = 10, 20, 60
    assert mean_of(image) == 30
    assert mean_of(image.astype(np.uint8)) == 30
    alpha = np.dstack([image, np.full(SMALL, 255)])
    assert mean_of(alpha) == mean_of(alpha.astype(np.uint8)) == 30
    alpha[..., 3] = np.nan
    assert mean_of(alpha) == 30
    # One sample of one pixel is missing: the pixel's others still count.
    image[1, 2, 2] = np.nan
    assert mean_of(image) == (6 * (10 + 20) + 5 * 60) / 17
    image[1, 3] = np.inf
    assert mean_of(image) == (5 * (10 + 20) + 4 * 60) / 14


def test_masked_pixels_do_not_count():
    values = np.arange(48, dtype=np.uint16).reshape(SMALL)
    image = np.ma.masked_array(values, mask=values == 12)
    assert mean_of(image) == np.mean([10, 11, 18, 19, 20])
    assert mean_of(np.ma.masked_array(values)) == mean_of(values)
    floats = image.astype(np.float32)
    floats[2, 2] = np.nan
    assert mean_of(floats) == np.mean([10, 11, 19, 20])
    assert np.isnan(mean_of(np.ma.masked_all(SMALL)))
    colours = np.ma.masked_array(np.full((*SMALL, 3), 6), mask=False)
    colours[1, 2] = 0, 3, 900
    colours[1, 2, 2] = np.ma.masked
    assert mean_of(colours) == (5 * 18 + 3) / 17


def test_channels_are_measured_on_levels_and_what_is_not_there_has_no_mean():
    levels = np.zeros((2, *SMALL), np.uint16)
    levels[0, 1:5, 1:7], levels[1, 2, 2:4] = 4, 2
    channels = np.random.default_rng(0).integers(0, 999, (2, *SMALL)).astype(np.uint16)
    table = pd.DataFrame({"index": [2, 4, 9]})
    measure_channels(table, levels, channels, ["a", "b"])
    for channel, name in zip(channels, "ab", strict=True):
        means = table[f"mean_intensity_{name}"]
        assert means[:2].tolist() == pytest.approx([channel[2, 2:4].mean(), channel[1:5, 1:7].mean()])
        assert np.isnan(means[2])
    nothing = pd.DataFrame({"index": np.zeros(0, np.int64)})
    measure_channels(nothing, np.zeros(SMALL, int), channels)
    assert nothing.dtypes.astype(str).tolist() == ["int64", "float64", "float64"]


def test_labels_without_facts_have_no_scores(candidates):
    labels = paint(select(candidates, OPEN)).labels.astype(np.uint32)
    labels[3:5, 3:6] = 4_000_000_000
    labels[50, 50] = len(candidates) + 1
    facts = Facts.of_candidates(candidates, OPEN, {})
    table = object_table(labels, facts, image=np.ones(SHAPE)).set_index("index")
    known = table[table.index <= len(candidates)]
    painted = table.loc[[len(candidates) + 1, 4_000_000_000]]
    assert painted["area"].tolist() == [1, 6]
    assert painted[["bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1"]].to_numpy().tolist() == [
        [50, 50, 51, 51],
        [3, 3, 5, 6],
    ]
    unknown = ["predicted_iou", "stability_score", "mask_area", "point_y", "point_x", "crop_y0", "crop_x1"]
    assert painted[unknown].isna().all(axis=None) and known.notna().all(axis=None)
    assert (painted["mean_intensity"] == 1).all()
    assert table["area"].dtype == table["bbox_y0"].dtype == np.int64
    assert table["mask_area"].dtype == table["crop_y0"].dtype == np.float64
    assert known["mask_area"].tolist() == candidates.area[known.index - 1].tolist()


def test_facts_come_in_any_order():
    shape = (20, 30)
    masks = make_masks(shape, [rectangle(shape, 2, 2, 9, 9), rectangle(shape, 10, 10, 15, 20)], ids=[7, 3])
    table = object_table(paint(masks).labels, Facts.of_masks(masks)).set_index("index")
    assert table["mask_area"].to_dict() == {3: 50, 7: 49}
    assert table["predicted_iou"].to_dict() == {
        3: float(masks.predicted_iou[1]),
        7: float(masks.predicted_iou[0]),
    }


def test_a_table_without_objects_has_the_same_columns(candidates):
    facts = Facts.of_candidates(candidates, OPEN, {})
    nobody = Facts.of_candidates(make_candidates(SHAPE, []), OPEN, {})
    image, labels = np.ones(SHAPE), paint(select(candidates, OPEN)).labels
    full = object_table(labels, facts, image=image, pixel_size=(1, 1))
    for one in (facts, nobody):
        empty = object_table(np.zeros(SHAPE, np.uint16), one, image=image, pixel_size=(1, 1))
        assert len(empty) == 0 and empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_images_and_pixel_sizes_that_do_not_fit_are_refused(candidates):
    labels, facts = np.zeros(SHAPE, np.uint16), Facts.of_candidates(candidates, OPEN, {})
    with pytest.raises(ImageError, match="does not fit"):
        object_table(labels, facts, image=np.zeros((5, 5)))
    with pytest.raises(ImageError, match="does not fit"):
        measure_channels(pd.DataFrame({"index": [1]}), labels, [np.zeros((2, *SHAPE))])
    with pytest.raises(SettingsError, match="pixel_size"):
        object_table(labels, facts, pixel_size=(0, 1))


def test_measures_come_after_the_columns_that_were_always_there(candidates):
    plain = select(candidates, OPEN)
    before = paint(plain, image=np.ones(SHAPE)).table
    more = paint(select(candidates, OPEN.replace(measures=("centroid", "circularity"))), image=np.ones(SHAPE))
    assert list(more.table) == [*before, "centroid_y", "centroid_x", "circularity"]
    pd.testing.assert_frame_equal(more.table[list(before)], before)
