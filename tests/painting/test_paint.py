"""Masks to labels and table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mask_factory import make_masks, random_masks, rectangle
from skimage.measure import regionprops

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.painting.labels import label_dtype, paint, painting_order
from napari_sam2_automask.settings.amg import AmgSettings

SHAPE = (20, 30)
BIG = rectangle(SHAPE, 2, 3, 15, 20)
SMALL = rectangle(SHAPE, 5, 5, 9, 10)
APART = rectangle(SHAPE, 16, 22, 20, 30)


@pytest.mark.parametrize(("overlap", "on_top"), [("small_on_top", 9), ("large_on_top", 4), ("best_score", 4)])
def test_overlap_policy(overlap, on_top):
    masks = make_masks(SHAPE, [BIG, SMALL, APART], ids=[4, 9, 2])
    result = paint(masks, overlap=overlap)
    assert result.labels[6, 6] == on_top
    assert result.labels[3, 4] == 4
    assert result.labels[17, 25] == 2
    assert result.labels[0, 0] == 0
    assert result.settings.overlap == overlap
    assert (
        paint(
            make_masks(SHAPE, [BIG, SMALL, APART], ids=[4, 9, 2], settings=AmgSettings(overlap=overlap))
        ).labels[6, 6]
        == on_top
    )


def test_best_score_on_top_is_the_lower_id():
    masks = make_masks(SHAPE, [BIG, SMALL], ids=[9, 4])
    assert paint(masks, overlap="best_score").labels[6, 6] == 4


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("small_on_top", [2, 9, 5, 7, 3]),
        ("all_levels", [2, 9, 5, 7, 3]),
        ("large_on_top", [7, 3, 9, 5, 2]),
        ("best_score", [9, 7, 5, 3, 2]),
    ],
)
def test_painting_order(overlap, expected):
    ids, areas = np.array([3, 9, 2, 5, 7]), np.array([10, 20, 50, 20, 10])
    assert ids[painting_order(ids, areas, overlap)].tolist() == expected
    assert painting_order(ids[:0], areas[:0], overlap).tolist() == []


@pytest.mark.parametrize("overlap", ["small_on_top", "large_on_top", "best_score"])
def test_equal_areas_go_to_the_better_score(overlap):
    masks = make_masks(SHAPE, [SMALL, SMALL], ids=[7, 3])
    assert paint(masks, overlap=overlap).labels[6, 6] == 3


@pytest.mark.parametrize("overlap", ["small_on_top", "large_on_top", "best_score"])
def test_table_agrees_with_regionprops_on_the_labels(overlap):
    shape = (60, 50)
    rng = np.random.default_rng(3)
    image = rng.random(shape)
    masks = make_masks(shape, random_masks(shape, 25, seed=5), ids=list(rng.permutation(200)[:25] + 1))
    result = paint(masks, overlap=overlap, image=image)
    props = {p.label: p for p in regionprops(result.labels, intensity_image=image)}
    assert result.table["index"].tolist() == sorted(props)
    for row in result.table.itertuples():
        expected = props[row.index]
        assert row.area == expected.area
        assert (row.bbox_y0, row.bbox_x0, row.bbox_y1, row.bbox_x1) == expected.bbox
        assert row.mean_intensity == pytest.approx(expected.mean_intensity)
        assert row.mask_area == masks.areas[list(masks.ids).index(row.index)] >= row.area


def test_covered_objects_are_counted_not_tabled():
    cover = rectangle(SHAPE, 0, 0, 10, 30)
    masks = make_masks(SHAPE, [cover, SMALL, APART], removed={"stability": 5})
    result = paint(masks, overlap="large_on_top")
    assert result.table["index"].tolist() == [1, 3]
    assert result.record["removed"] == {"stability": 5, "covered by others": 1}
    assert result.record["objects"] == 2
    assert "covered by others" not in paint(masks, overlap="small_on_top").record["removed"]


def test_scores_point_and_crop_are_those_of_the_mask():
    masks = make_masks(SHAPE, [APART, SMALL], ids=[8, 3])
    table = paint(masks).table.set_index("index")
    assert table.loc[8, "predicted_iou"] == pytest.approx(masks.predicted_iou[0])
    assert table.loc[8, ["point_y", "point_x"]].tolist() == [16.25, 22.5]
    assert table.loc[3, ["crop_y0", "crop_x0", "crop_y1", "crop_x1"]].tolist() == [0, 0, 20, 30]


def test_physical_units():
    result = paint(make_masks(SHAPE, [SMALL]), pixel_size=(0.5, 0.2), unit="micrometer")
    assert result.table["area_um2"].tolist() == [pytest.approx(20 * 0.1)]
    assert result.record["pixel_size"] == [0.5, 0.2]
    assert result.record["unit"] == "micrometer"
    nanometres = paint(make_masks(SHAPE, [SMALL]), pixel_size=(500, 200), unit="nm")
    assert nanometres.table["area_um2"].tolist() == [pytest.approx(20 * 0.1)]
    for unit in (None, "pixel", "cubit"):
        table = paint(make_masks(SHAPE, [SMALL]), pixel_size=(1, 1), unit=unit).table
        assert not [name for name in table if name.startswith("area_")]
    assert not [name for name in paint(make_masks(SHAPE, [SMALL])).table if name.startswith("area_")]


@pytest.mark.parametrize("pixel_size", [(0, 1), (1, -1), (np.nan, 1), 3, (1, 2, 3), ("a", 1)])
def test_impossible_pixel_sizes_are_refused(pixel_size):
    with pytest.raises(SettingsError, match="pixel_size"):
        paint(make_masks(SHAPE, [SMALL]), pixel_size=pixel_size)


def test_unknown_overlap_is_refused():
    with pytest.raises(SettingsError, match="overlap"):
        paint(make_masks(SHAPE, [SMALL]), overlap="newest")


def test_mean_intensity_of_colours_leaves_alpha_out_and_of_floats_nan():
    rgba = np.zeros((*SHAPE, 4), dtype=np.uint8)
    rgba[..., 0], rgba[..., 3] = 30, 255
    assert paint(make_masks(SHAPE, [SMALL]), image=rgba).table["mean_intensity"].tolist() == [10]
    image = np.full(SHAPE, 7.0)
    image[5, 5], image[6, 6] = np.nan, np.inf
    assert paint(make_masks(SHAPE, [SMALL]), image=image).table["mean_intensity"].tolist() == [7]
    image[:] = np.nan
    assert paint(make_masks(SHAPE, [SMALL]), image=image).table["mean_intensity"].isna().all()


def test_an_image_of_another_shape_is_refused():
    with pytest.raises(ImageError, match="does not fit"):
        paint(make_masks(SHAPE, [SMALL]), image=np.zeros((30, 20)))


def test_no_masks_give_empty_labels_and_a_table_with_its_columns():
    result = paint(make_masks(SHAPE, [], removed={"predicted IoU": 12}), image=np.zeros(SHAPE))
    assert result.labels.shape == SHAPE and result.labels.dtype == np.uint16 and not result.labels.any()
    filled = paint(make_masks(SHAPE, [SMALL]), image=np.zeros(SHAPE)).table
    assert len(result.table) == 0
    assert result.table.dtypes.to_dict() == filled.dtypes.to_dict()
    assert result.records() == []
    assert result.record["removed"] == {"predicted IoU": 12}


def test_labels_grow_to_32_bits_only_when_they_must():
    assert label_dtype(65535) is np.uint16
    assert label_dtype(65536) is np.uint32
    labels = paint(make_masks(SHAPE, [SMALL], ids=[65536])).labels
    assert labels.dtype == np.uint32 and labels[6, 6] == 65536
    assert paint(make_masks(SHAPE, [SMALL], ids=[65535])).labels.dtype == np.uint16


def test_the_masks_are_not_changed():
    masks = make_masks(SHAPE, [BIG, SMALL])
    before = [array.copy() for array in masks.arrays]
    paint(masks, overlap="small_on_top")
    assert all(np.array_equal(a, b) for a, b in zip(before, masks.arrays, strict=True))


def test_the_table_survives_csv(tmp_path):
    table = paint(make_masks(SHAPE, [BIG, SMALL]), image=np.arange(600.0).reshape(SHAPE)).table
    table.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table)
