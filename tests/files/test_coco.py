"""Run lengths and COCO JSON, checked against pycocotools and Meta's own functions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mask_factory import make_masks, random_masks, rectangle
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from napari_sam2_automask.errors import ImageError, SettingsError
from napari_sam2_automask.files.coco import from_coco, to_coco
from napari_sam2_automask.geometry.run_lengths import uncompressed_rle
from napari_sam2_automask.painting.labels import paint
from napari_sam2_automask.settings.amg import AmgSettings

SHAPE = (23, 17)
FIELDS = ["segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box"]
EDGES = {
    "whole image": np.ones(SHAPE, bool),
    "first pixel": rectangle(SHAPE, 0, 0, 1, 1),
    "last pixel": rectangle(SHAPE, 22, 16, 23, 17),
    "whole columns": rectangle(SHAPE, 0, 3, 23, 6),
    "last columns": rectangle(SHAPE, 0, 12, 23, 17),
    "bottom then top": rectangle(SHAPE, 20, 3, 23, 4) | rectangle(SHAPE, 0, 4, 2, 5),
    "two rows": rectangle(SHAPE, 4, 0, 6, 17),
    "checkerboard": np.indices(SHAPE).sum(0) % 2 == 0,
}


def mask_in_box(mask):
    ys, xs = np.nonzero(mask)
    y0, x0 = ys.min(), xs.min()
    return y0, x0, mask[y0 : ys.max() + 1, x0 : xs.max() + 1]


@pytest.mark.parametrize("name", EDGES)
def test_run_lengths_of_edge_cases_are_metas(name, meta_amg):
    import torch

    mask = EDGES[name]
    expected = meta_amg.mask_to_rle_pytorch(torch.from_numpy(mask)[None])[0]
    assert uncompressed_rle(*mask_in_box(mask), SHAPE) == expected


def test_run_lengths_of_random_masks_are_metas(meta_amg):
    import torch

    masks = random_masks(SHAPE, 200, seed=1)
    expected = meta_amg.mask_to_rle_pytorch(torch.from_numpy(np.stack(masks)))
    assert [uncompressed_rle(*mask_in_box(mask), SHAPE) for mask in masks] == expected


@pytest.fixture(scope="module")
def meta_amg():
    from napari_sam2_automask.models import import_sam2

    import_sam2()
    from sam2.utils import amg

    return amg


@pytest.fixture
def segmentation():
    return paint(make_masks(SHAPE, random_masks(SHAPE, 12, seed=2), ids=list(range(3, 39, 3))))


@pytest.mark.parametrize("mode", ["binary_mask", "uncompressed_rle", "coco_rle"])
def test_records_have_metas_seven_fields_in_each_form(segmentation, mode, meta_amg):
    masks = segmentation.masks
    records = segmentation.records(mode)
    assert len(records) == len(masks)
    for k, record in enumerate(records):
        assert list(record) == FIELDS
        full = masks.full(k)
        if mode == "binary_mask":
            decoded = record["segmentation"]
        elif mode == "uncompressed_rle":
            decoded = meta_amg.rle_to_mask(record["segmentation"])
        else:
            decoded = coco_mask.decode(record["segmentation"]).astype(bool)
        assert np.array_equal(decoded, full)
        assert record["area"] == full.sum()
        x0, y0, x1, y1 = masks.boxes[k].tolist()
        assert record["bbox"] == [x0, y0, x1 - x0, y1 - y0]
        assert record["crop_box"] == [0, 0, SHAPE[1], SHAPE[0]]
        assert record["point_coords"] == [masks.points[k].tolist()]
        if mode != "binary_mask":
            json.dumps(record)


def test_the_settings_choose_the_records_form():
    masks = make_masks(SHAPE, [EDGES["two rows"]], settings=AmgSettings(output_mode="uncompressed_rle"))
    assert isinstance(paint(masks).records()[0]["segmentation"]["counts"], list)
    assert isinstance(paint(masks).records("coco_rle")[0]["segmentation"]["counts"], str)


def test_unknown_form_is_refused(segmentation):
    with pytest.raises(SettingsError, match="output_mode"):
        segmentation.records("polygon")


def test_pycocotools_reads_what_is_written(segmentation, tmp_path, capsys):
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(to_coco(segmentation, "cells.tif", "cell")))
    coco = COCO(path)
    assert coco.loadImgs(1)[0] == {"id": 1, "file_name": "cells.tif", "height": 23, "width": 17}
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == ["cell"]
    masks = segmentation.masks
    assert sorted(coco.getAnnIds()) == sorted(masks.ids.tolist())
    for k, identity in enumerate(masks.ids.tolist()):
        annotation = coco.loadAnns(identity)[0]
        assert np.array_equal(coco.annToMask(annotation).astype(bool), masks.full(k))
        assert annotation["area"] == coco_mask.area(annotation["segmentation"])
        assert annotation["bbox"] == coco_mask.toBbox(annotation["segmentation"]).tolist()
        assert annotation["score"] == pytest.approx(masks.predicted_iou[k])


def test_nothing_found_is_a_valid_file(tmp_path, capsys):
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(to_coco(paint(make_masks(SHAPE, [])))))
    assert COCO(path).getAnnIds() == []
    assert from_coco(path)[0].labels().max() == 0


def test_round_trip(segmentation, tmp_path):
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(to_coco(segmentation, "a.tif")))
    (found,) = from_coco(path)
    assert (found.file_name, found.shape) == ("a.tif", SHAPE)
    assert found.ids == tuple(segmentation.masks.ids.tolist())
    assert all(np.array_equal(m, segmentation.masks.full(k)) for k, m in enumerate(found.masks))
    assert found.scores == pytest.approx(segmentation.masks.predicted_iou.tolist())
    assert set(found.categories) == {"object"}
    assert np.array_equal(found.labels() > 0, segmentation.labels > 0)


def coco_of(segmentation, **more):
    return {
        "images": [{"id": 7, "file_name": "b.png", "height": 23, "width": 17}],
        "annotations": [{"id": 5, "image_id": 7, "category_id": 2, "segmentation": segmentation, **more}],
    }


def test_polygons_and_uncompressed_run_lengths_are_read():
    square = [2, 3, 8, 3, 8, 9, 2, 9]
    (found,) = from_coco(coco_of([square]))
    assert found.masks[0].sum() == pytest.approx(36, abs=12)
    assert found.labels()[6, 5] == 5
    assert found.scores == (None,)
    mask = EDGES["checkerboard"]
    (found,) = from_coco(coco_of(uncompressed_rle(*mask_in_box(mask), SHAPE)))
    assert np.array_equal(found.masks[0], mask)


def test_crowds_are_left_out():
    assert from_coco(coco_of([[2, 3, 8, 3, 8, 9]], iscrowd=1))[0].masks == ()
    assert len(from_coco(coco_of([[2, 3, 8, 3, 8, 9]], iscrowd="0"))[0].masks) == 1


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"images": [{"id": 1}], "annotations": []},
        {"images": [{"id": 1, "file_name": "a", "height": 3, "width": 3}]},
        coco_of({"size": [5, 5], "counts": [25]}),
        coco_of({"size": list(SHAPE), "counts": [5, 5]}),
        coco_of({"size": list(SHAPE), "counts": [400, -9]}),
    ],
)
def test_what_is_no_coco_is_refused(data):
    with pytest.raises(ImageError, match="COCO"):
        from_coco(data)


def square(x):
    return [[x, 2, x + 4, 2, x + 4, 6, x, 6]]


def file_of(*annotations, **image):
    image = {"id": 0, "file_name": "a.jpg", "height": 20, "width": 40, **image}
    own = [{"image_id": image["id"], "category_id": 0, **one} for one in annotations]
    return {"images": [image], "categories": [{"id": 0, "name": "cell"}], "annotations": own}


@pytest.mark.parametrize(
    ("ids", "numbers"),
    [
        ((3, 7), (3, 7)),
        ((2**31 - 1, 1), (2**31 - 1, 1)),
        ((0, 1), (1, 2)),
        ((-4, 9), (1, 2)),
        ((2**31, 5), (1, 2)),
        ((5_000_000_001, 10**400), (1, 2)),
        ((7, 7), (1, 2)),
        (("b", "a"), (1, 2)),
        ((1.0, 2.0), (1, 2)),
        ((True, 2), (1, 2)),
        ((None, {}), (1, 2)),
    ],
)
def test_ids_are_labels_where_they_can_be(ids, numbers):
    objects = [{"id": one, "segmentation": square(20 * k)} for k, one in enumerate(ids)]
    (found,) = from_coco(file_of(*objects))
    assert (found.ids, found.numbers) == (ids, numbers)
    assert (found.labels()[4, 2], found.labels()[4, 22]) == numbers


def test_one_damaged_annotation_refuses_no_file():
    data = file_of(
        {"id": 1, "segmentation": square(2), "score": "high"},
        {"id": 2, "segmentation": [], "bbox": [2, 2, 8, 8]},
        {"id": 3},
        {"id": 4, "segmentation": [[0, 0, 1e9, 0, 1e9, 1e9]]},
        {"id": 5, "segmentation": square(2), "iscrowd": 1},
        {"id": 6, "segmentation": square(2), "image_id": 9},
        {"id": 7, "segmentation": square(20), "category_id": [5], "score": 0.5},
    )
    data["annotations"] += ["what", None]
    data["images"] += [
        {"id": 0, "height": 5, "width": 5},
        {"id": 1, "height": 2**31, "width": 2**31},
        {"id": 2, "width": 5},
        {"height": 5, "width": 5},
        3,
    ]
    with pytest.warns(UserWarning, match="left out") as told:
        (found,) = from_coco(data)
    assert (found.ids, found.categories, found.scores) == ((1, 7), ("cell", ""), (None, 0.5))
    assert found.left_out == {
        "annotations without a segmentation": 2,
        "annotations with points far outside the image": 1,
        "crowd regions": 1,
    }
    (one,) = told
    assert str(one.message) == (
        "this: left out images with the id of another (1), images of more than 268,435,456 pixels (1), "
        "images without a height and a width (1), images without an id (2), annotations of an image that "
        "is not there (3), annotations without a segmentation (2), annotations with points far outside the "
        "image (1), crowd regions (1)"
    )


def test_names_that_are_missing_are_made():
    data = file_of({"id": 1, "segmentation": square(2), "category_id": "8"}, id="x7")
    data["images"][0].pop("file_name")
    data["categories"] = [{"id": 8}, "cell", {"name": "no id"}]
    (found,) = from_coco(data)
    assert (found.file_name, found.categories) == ("image x7", ("8",))


def test_of_two_equal_objects_the_first_lies_on_top():
    data = file_of({"id": 1, "segmentation": square(2)}, {"id": 2, "segmentation": square(4)})
    assert from_coco(data)[0].labels()[4, 5] == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]"])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"c\.json"):
        from_coco(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match="nowhere"):
        from_coco(tmp_path / "nowhere.json")
