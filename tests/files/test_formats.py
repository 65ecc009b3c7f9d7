"""Formats of other programs: opened by those programs' own libraries, and read back the same."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import roifile
import shapely.geometry
from candidate_factory import random_candidates
from pycocotools import mask as coco_mask

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask.errors import FormatError, ImageError, SettingsError
from napari_sam2_automask.files.formats import (
    FORMATS,
    Outlines,
    export,
    read_cellpose,
    read_geojson,
    read_rois,
    read_yolo,
)
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.geometry.placed import Placed
from napari_sam2_automask.geometry.rings import fill, polygons

SHAPE = (110, 130)
OPEN = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)


def ragged(seed=0, count=25, shape=(60, 70), dtype=np.uint16):
    """Return labels with holes, several parts and gaps in their numbers."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, dtype)
    for number in rng.choice(np.arange(1, 400), count, replace=False):
        y, x = rng.integers(0, shape[0] - 5), rng.integers(0, shape[1] - 5)
        patch = labels[y : y + rng.integers(2, 14), x : x + rng.integers(2, 14)]
        patch[rng.random(patch.shape) < 0.85] = number
    return labels


def smooth(shape=(60, 70)):
    """Return labels of discs: one part each and no holes."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.uint16)
    for number, (cy, cx, r) in {7: (15, 15, 9), 300: (40, 50, 12), 12: (0, 60, 8)}.items():
        labels[np.hypot(y - cy, x - cx) <= r] = number
    return labels


@pytest.fixture(scope="module")
def segmentation():
    """Return overlapping masks with holes, and their table."""
    return paint(select(random_candidates(SHAPE, 60, seed=4, settings=OPEN, holes=True), OPEN))


def whole_masks(segmentation):
    return {label: one.whole(SHAPE) for label, one in segmentation.masks.placed().items()}


def masks_of(outlines):
    return {one.label: one.placed.whole(outlines.shape) for one in outlines.objects}


def same_masks(found, wanted):
    assert found.keys() == wanted.keys()
    for label, mask in wanted.items():
        np.testing.assert_array_equal(found[label], mask, err_msg=str(label))


@pytest.mark.parametrize("seed", range(60))
def test_polygons_along_pixels_are_valid_and_lose_nothing(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 14, 2)) < rng.choice([0.3, 0.5, 0.7, 0.9])
    mask[0, 0] = True
    placed = Placed.at(3, 5, mask)
    parts = polygons(placed)
    shapes = [shapely.geometry.Polygon(part.outer, part.holes) for part in parts]
    assert all(shape.is_valid for shape in shapes) and shapely.geometry.MultiPolygon(shapes).is_valid
    assert sum(shape.area for shape in shapes) == mask.sum()
    rings = [ring for part in parts for ring in (part.outer, *part.holes)]
    np.testing.assert_array_equal(fill(rings, (40, 50)).whole((40, 50)), placed.whole((40, 50)))


def test_a_square_has_four_corners_and_outlines_turn_clockwise():
    (part,) = polygons(Placed.at(2, 3, np.ones((4, 6), bool)))
    assert part.outer.tolist() == [[3, 2], [9, 2], [9, 6], [3, 6]] and part.holes == ()
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    (part,) = polygons(Placed.at(0, 0, ring))
    assert [hole.tolist() for hole in part.holes] == [[[2, 2], [2, 3], [3, 3], [3, 2]]]


def test_lines_that_cross_pixels_take_those_whose_centres_are_inside():
    found = fill([np.array([[0.4, 0.4], [3.6, 0.4], [3.6, 2.6], [0.4, 2.6]])], (10, 10))
    assert (found.y0, found.x0, found.mask.shape, found.area) == (0, 0, (3, 4), 12)
    assert fill([np.array([[0.6, 0.6], [0.9, 0.6], [0.9, 0.9]])], (10, 10)) is None
    assert fill([np.array([[20, 20], [30, 20], [30, 30]])], (10, 10)) is None
    assert fill([np.array([[-5, -5], [30, -5], [30, 30], [-5, 30]])], (4, 6)).area == 24


# ImageJ


def test_imagej_rois_come_back_with_overlaps_holes_and_parts(segmentation, tmp_path):
    path = export(segmentation, tmp_path / "cells.rois.zip", "imagej")
    same_masks(masks_of(read_rois(path, SHAPE)), whole_masks(segmentation))


def test_imagej_rois_are_what_roifile_says_they_are(tmp_path):
    labels = smooth()
    labels[40, 50] = 0
    path = export(labels, tmp_path / "a.zip", "imagej")
    rois = {roi.name: roi for roi in roifile.roiread(path)}
    assert set(rois) == {"7", "12", "300"}
    assert rois["7"].roitype == roifile.ROI_TYPE.TRACED and rois["7"].position == 0
    rows, columns = np.nonzero(labels == 7)
    assert (rois["7"].top, rois["7"].left) == (rows.min(), columns.min())
    assert (rois["7"].bottom, rois["7"].right) == (rows.max() + 1, columns.max() + 1)
    shape = shapely.geometry.Polygon(rois["7"].coordinates())
    assert shape.is_valid and shape.area == np.count_nonzero(labels == 7)
    assert rois["300"].composite and len(rois["300"].coordinates(multi=True)) == 2


def test_imagej_rois_of_a_stack_have_positions(tmp_path):
    stack = np.stack([ragged(1), ragged(2), np.zeros_like(ragged())])
    path = export(stack, tmp_path / "s.zip", "imagej")
    rois = roifile.roiread(path)
    assert {roi.position for roi in rois} == {1, 2}
    assert all(roi.name.startswith(f"{roi.position:04d}-") for roi in rois)
    back = read_rois(path, stack.shape[1:])
    np.testing.assert_array_equal(back.labels(), stack[:2])
    assert (tmp_path / "s.zip").read_bytes() == export(stack, tmp_path / "t.zip", "imagej").read_bytes()


def test_rois_of_other_kinds(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        square = roifile.ImagejRoi.frompoints(np.array([[1.0, 1], [5, 1], [5, 4], [1, 4]]), name="one")
        point = roifile.ImagejRoi.frompoints(np.array([[1, 1], [2, 2], [4, 3]]), name="points")
        point.roitype = roifile.ROI_TYPE.POINT
        box = roifile.ImagejRoi()
        box.roitype, box.name = roifile.ROI_TYPE.RECT, "box"
        box.top, box.left, box.bottom, box.right = 6, 2, 9, 8
        for number, roi in enumerate((square, point, box)):
            archive.writestr(f"{number}.roi", roi.tobytes())
        archive.writestr("readme.txt", "not a ROI")
    found = read_rois(tmp_path / "a.zip")
    assert found.shape == (9, 8) and found.left_out == {"ROIs that are no areas": 1}
    assert [(one.label, one.placed.area) for one in found.objects] == [(1, 12), (2, 18)]
    (tmp_path / "one.roi").write_bytes(square.tobytes())
    assert read_rois(tmp_path / "one.roi", (20, 20)).objects[0].placed.area == 12


# GeoJSON


def test_geojson_is_valid_and_comes_back_with_its_measures(segmentation, tmp_path):
    path = export(segmentation, tmp_path / "cells.geojson", "geojson")
    data = json.loads(path.read_text())
    assert data["type"] == "FeatureCollection"
    wanted = whole_masks(segmentation)
    for feature in data["features"]:
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid
        assert shape.area == wanted[int(feature["properties"]["name"])].sum()
        assert feature["properties"]["objectType"] == "detection"
    found = read_geojson(path, SHAPE)
    same_masks(masks_of(found), wanted)
    own = segmentation.table.set_index("index")
    back = found.table.set_index("index")
    assert back.loc[own.index[0], "area"] == own["area"].iloc[0]
    np.testing.assert_allclose(back.loc[own.index, "predicted_iou"], own["predicted_iou"])


def test_geojson_has_holes_and_parts_right(tmp_path):
    labels = ragged()
    path = export(labels, tmp_path / "a.geojson", "geojson")
    shapes = [shapely.geometry.shape(one["geometry"]) for one in json.loads(path.read_text())["features"]]
    parts = [part for shape in shapes for part in getattr(shape, "geoms", [shape])]
    assert all(shape.is_valid for shape in shapes)
    assert sum(len(part.interiors) for part in parts) > 10 and len(parts) > len(shapes)
    assert sum(shape.area for shape in shapes) == np.count_nonzero(labels)
    np.testing.assert_array_equal(read_geojson(path, labels.shape).labels(), labels)


def test_geojson_of_a_stack_says_the_plane(tmp_path):
    stack = np.stack([np.zeros_like(ragged()), ragged(3)])
    path = export(stack, tmp_path / "t.geojson", "geojson", axis="t")
    assert {json.dumps(one["geometry"]["plane"]) for one in json.loads(path.read_text())["features"]} == {
        '{"c": -1, "z": 0, "t": 1}'
    }
    np.testing.assert_array_equal(read_geojson(path, stack.shape[1:]).labels(), stack)


def test_geojson_of_earlier_qupath_is_read(tmp_path):
    square = [[[0, 0], [4, 0], [4, 3], [0, 3], [0, 0]]]
    features = [
        {
            "type": "Feature", "id": "PathDetectionObject",
            "geometry": {"type": "Polygon", "coordinates": square},
            "properties": {"measurements": [{"name": "Area", "value": 12.5}]},
        },
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": None},
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[["a", 1]]]}},
        3,
    ]  # fmt: skip
    (tmp_path / "a.geojson").write_text(json.dumps(features))
    found = read_geojson(tmp_path / "a.geojson")
    assert found.shape == (3, 4) and found.labels().tolist() == [[1] * 4] * 3
    assert found.table.to_dict("records") == [{"index": 1, "Area": 12.5}]
    assert found.left_out == {"features without polygons": 3}


# COCO and YOLO


def test_coco_polygons_are_the_masks_and_score_so(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels = smooth()
    labels[0, 0] = 7  # a second part
    path = export(labels, tmp_path / "a.json", "coco-polygons")
    coco = COCO(str(path))
    for annotation in coco.loadAnns(coco.getAnnIds()):
        np.testing.assert_array_equal(coco.annToMask(annotation), labels == annotation["id"])
        assert annotation["area"] == np.count_nonzero(labels == annotation["id"])
    truth = json.loads(path.read_text())
    for annotation in truth["annotations"]:
        mask = np.asfortranarray(labels == annotation["id"], np.uint8)
        rle = coco_mask.encode(mask)
        annotation["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode()}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    against = COCO(str(tmp_path / "truth.json"))
    results = against.loadRes(json.loads(path.read_text())["annotations"])
    scored = COCOeval(against, results, "segm")
    scored.evaluate()
    scored.accumulate()
    scored.summarize()
    assert scored.stats[0] == pytest.approx(1)


def test_yolo_comes_back(tmp_path):
    labels = smooth()
    path = export(labels, tmp_path / "a.txt", "yolo")
    rows = [line.split() for line in path.read_text().splitlines()]
    assert {row[0] for row in rows} == {"0"} and len(rows) == 3
    assert all(0 <= float(value) <= 1 for row in rows for value in row[1:])
    found = read_yolo(path, labels.shape)
    order = [7, 12, 300]
    for one, label in zip(found.objects, order, strict=True):
        np.testing.assert_array_equal(one.placed.whole(labels.shape), labels == label)


# Cellpose


@pytest.mark.parametrize("shape", [(60, 70), (3, 60, 70)])
def test_cellpose_files_come_back_and_are_what_its_window_expects(shape, tmp_path):
    labels = ragged() if len(shape) == 2 else np.stack([ragged(k) for k in range(3)])
    path = export(labels, tmp_path / "a_seg.npy", "cellpose", name="a.tif")
    content = np.load(path, allow_pickle=True).item()
    count = len(np.unique(labels)) - 1
    assert {"masks", "outlines", "filename", "flows", "ismanual", "chan_choose", "diameter"} <= set(content)
    assert content["filename"] == "a.tif" and content["masks"].dtype == np.uint16
    assert np.unique(content["masks"]).tolist() == list(range(count + 1))
    assert len(content["ismanual"]) == count and not content["ismanual"].any()
    edges = content["outlines"] > 0
    assert edges.any() and (content["outlines"][edges] == content["masks"][edges]).all()
    back = read_cellpose(path)
    np.testing.assert_array_equal(back.labels(), labels)
    assert back.labels().dtype == labels.dtype


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_files_that_cellpose_wrote_are_read(protocol, tmp_path):
    masks = smooth()
    masks[masks > 0] = masks[masks > 0] % 5 + 1
    content = {
        "masks": np.asfortranarray(masks), "outlines": masks.astype(">u2"), "img": None, "est": (1, 2),
        "flows": [np.zeros((2, 3, 4), np.float32)], "filename": "x.tif", "diameter": np.float64(3.5),
        "ismanual": np.array([True]),
    }  # fmt: skip
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickle.dump(np.array(content, dtype=object), file, protocol=protocol)
    (tmp_path / "b_seg.npy").write_bytes(file.getvalue())
    np.testing.assert_array_equal(read_cellpose(tmp_path / "b_seg.npy").labels(), masks)


def written(tmp_path, data):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    path = tmp_path / "bad_seg.npy"
    path.write_bytes(file.getvalue() + data)
    return path


class Command:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        import os

        return os.system, ("touch ran",)


def test_a_pickle_that_runs_something_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in range(6):
        path = written(tmp_path, pickle.dumps({"masks": Command()}, protocol))
        with pytest.raises(ImageError, match=r"(posix|nt|os)\.system") as caught:
            read_cellpose(path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


GLOBALS = ["builtins eval", "numpy load", "numpy.testing _private", "napari_sam2_automask api", "os system"]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"garbage", b"\x80\x04.", pickle.dumps([1]), pickle.dumps({"masks": 3}),
        pickle.dumps({"masks": np.ones((2, 2))}), pickle.dumps({"masks": -np.ones((2, 2), int)}),
        pickle.dumps({"masks": np.array([{}], dtype=object)}), pickle.dumps({"masks": np.zeros(2, "V8")}),
        pickle.dumps({"masks": np.zeros(2, [("a", int)])}), pickle.dumps({"masks": np.zeros(2, "M8[s]")}),
        pickle.dumps({"masks": np.ma.ones((2, 2))}), pickle.dumps({1, 2}), pickle.dumps(np.float64),
        pickle.dumps({"masks": np.ones((2, 2), int)})[:-30],
        b"r\xff\xff\xff\x7f.", b"\x80\x02]q\x00h\x00a.", b"(" * 100_000 + b"l" * 100_000 + b".",
        *(b"c" + name.replace(" ", "\n").encode() + b"\n(tR." for name in GLOBALS),
        b"cnumpy\nndarray\n((K\x05tI3\ntR.", b"cnumpy\ndtype\n(X\x01\x00\x00\x00OtR.",
    ],
)  # fmt: skip
def test_pickles_of_anything_else_end_in_a_line(data, tmp_path):
    with pytest.raises(ImageError) as caught:
        read_cellpose(written(tmp_path, data))
    assert "bad_seg.npy" in str(caught.value) and "\n" not in str(caught.value)


def test_a_pickle_cannot_say_more_than_it_holds(tmp_path):
    data = pickle.dumps({"masks": np.ones((2, 2), np.uint16)}, 2)
    huge = data.replace(b"K\x02K\x02\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86")
    assert huge != data
    with pytest.raises(ImageError, match="another size"):
        read_cellpose(written(tmp_path, huge))
    tenfold = [b"]q%c(" % k + b"h%c" % (k - 1) * 10 + b"e" for k in range(1, 9)]
    laughs = b"]q\x00K\x01a" + b"".join(tenfold) + b"."
    with pytest.raises(ImageError, match="too much"):
        read_cellpose(written(tmp_path, laughs))


# What cannot be held


@pytest.mark.parametrize(
    ("form", "objects", "words"),
    [
        ("coco-polygons", "holes", "holes"),
        ("yolo", "holes", "holes"),
        ("yolo", "parts", "several parts"),
        ("coco-polygons", "stack", "stack of 2 planes"),
        ("yolo", "stack", "stack of 2 planes"),
        ("cellpose", "levels", "overlap"),
        ("imagej", "huge", "32,767"),
    ],
)
def test_what_a_format_cannot_hold_is_said_before_anything_is_written(form, objects, words, tmp_path):
    labels = smooth()
    if objects == "holes":
        labels[15, 15] = 0
    elif objects == "parts":
        labels[59, 69] = 7
    elif objects == "stack":
        labels = np.stack([labels, labels])
    elif objects == "huge":
        labels = np.zeros((1, 40_000), np.uint16)
    elif objects == "levels":
        settings = OPEN.replace(overlap="all_levels")
        labels = paint(select(random_candidates(SHAPE, 20, seed=1, settings=settings), settings))
    (tmp_path / "old").write_text("old")
    with pytest.raises(FormatError, match=words) as caught:
        export(labels, tmp_path / "old", form, name="cells.tif")
    assert "cells.tif" in str(caught.value) and "\n" not in str(caught.value)
    assert (tmp_path / "old").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_more_labels_than_16_bits_hold(tmp_path):
    labels = np.arange(1, 70_001, dtype=np.uint32).reshape(250, 280)
    back = read_cellpose(export(labels, tmp_path / "m_seg.npy", "cellpose"))
    np.testing.assert_array_equal(back.labels(), labels)
    assert back.labels().dtype == np.uint32


def test_nothing_found_can_be_written(tmp_path):
    for form in (name for name, one in FORMATS.items() if not one.extra):
        assert export(np.zeros((5, 6), np.uint16), tmp_path / form, form).exists()
    assert read_cellpose(tmp_path / "cellpose").labels().shape == (5, 6)
    with pytest.raises(ImageError, match="no outlines"):
        read_rois(tmp_path / "imagej")


def test_names_of_formats_and_labels_are_checked(tmp_path):
    with pytest.raises(SettingsError, match="choose from imagej"):
        export(smooth(), tmp_path / "a", "png")
    with pytest.raises(ImageError, match="two or three axes"):
        export(np.zeros((2, 2, 2, 2), int), tmp_path / "a", "yolo")
    assert not list(tmp_path.iterdir())


def polygon(*corners):
    geometry = {"type": "Polygon", "coordinates": [corners]}
    return json.dumps({"type": "Feature", "geometry": geometry}).encode()


def read_nine(path):
    return read_yolo(path, (9, 9))


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (read_rois, b"PK\x03\x04 damaged"), (read_rois, b"Iout"), (read_rois, b""), (read_geojson, b"{}"),
        (read_geojson, b"[1]"), (read_geojson, b'{"type": "FeatureCollection", "features": 3}'),
        (read_geojson, polygon([0, 0], [1e300, 0], [1, 1])),
        (read_geojson, polygon([0, 0], [1e8, 0], [1, 1e8])),
        (read_nine, b"0 0.5 0.5 0.7"), (read_nine, b"0 0 0 1 0 a 1"), (read_nine, b"0 0 0 1 0 1 7"),
        (read_nine, b"\xff\xfe\x00"), (read_cellpose, b"\x93NUMPY"), (read_cellpose, b"x" * 100),
    ],
)  # fmt: skip
def test_damaged_files_end_in_a_line(read, data, tmp_path):
    path = tmp_path / "damaged"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        read(path)
    assert "damaged" in str(caught.value) and "\n" not in str(caught.value)
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(ImageError, match="cannot read"):
            read(missing)


def test_one_damaged_outline_refuses_no_file(tmp_path):
    features = [
        json.loads(polygon(*corners)) for corners in ([[1, 1], [5, 1], [5, 5]], [[0, 0], [1e300, 0], [1, 1]])
    ]
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    found = read_geojson(tmp_path / "a.geojson")
    assert len(found.objects) == 1 and found.left_out == {"far outside of any image": 1}
    square = roifile.ImagejRoi.frompoints([[1, 1], [5, 1], [5, 5]]).tobytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("1.roi", b"Iout")
        file.writestr("2.roi", square)
    found = read_rois(tmp_path / "a.zip")
    assert len(found.objects) == 1 and found.left_out == {"ROIs that are damaged": 1}


def test_outlines_hold_the_finite_numbers_of_their_table():
    table = pd.DataFrame({"index": [7, 12], "area": [3, 4], "score": [np.nan, 0.5], "name": ["a", "b"]})
    found = Outlines.of_labels(smooth(), table=table).measured()
    assert found == {7: {"area": 3.0}, 12: {"area": 4.0, "score": 0.5}}


@pytest.mark.parametrize("labels", [(7, 2**31 + 5), (7, 2**32 + 7), (10**9 + 7, 7), (3, 2**63 - 1)])
def test_large_numbers_come_back_as_they_are(labels, tmp_path):
    image = np.zeros((6, 9), np.uint64)
    image[1:3, 1:4], image[3:6, 5:9] = labels
    for form, read in (("imagej", read_rois), ("geojson", read_geojson)):
        back = read(export(image, tmp_path / f"a.{form}", form), image.shape)
        np.testing.assert_array_equal(back.labels(), image)
    back = read_cellpose(export(image, tmp_path / "a_seg.npy", "cellpose"))
    np.testing.assert_array_equal(back.labels(), image)
    ozx = read_image(export(image, tmp_path / "a.labels.ozx", "ozx"))
    np.testing.assert_array_equal(ozx.array, image)


def test_what_is_below_0_is_background_and_no_label_is_cut_short(tmp_path):
    labels = np.array([[0, -3, -3], [7, 7, -1]])
    for form, read in (("cellpose", read_cellpose), ("geojson", lambda path: read_geojson(path, (2, 3)))):
        back = read(export(labels, tmp_path / f"a.{form}", form))
        np.testing.assert_array_equal(back.labels(), [[0, 0, 0], [7, 7, 0]])
    ozx = read_image(export(labels, tmp_path / "a.labels.ozx", "ozx"))
    np.testing.assert_array_equal(ozx.array, [[0, 0, 0], [7, 7, 0]])
    with pytest.raises(ImageError, match=r"a label is 9223372036854775808, the largest .* is 2\^63 - 1"):
        export(np.array([[2**63]], np.uint64), tmp_path / "b_seg.npy", "cellpose")


@pytest.mark.parametrize("name", ["cell 99999999999999999999999", "0" * 9000, "9" * 9000, "a", ""])
def test_names_that_are_no_numbers_are_numbered(name, tmp_path):
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [
        {"geometry": {"type": "Polygon", "coordinates": [[[x, 0], [x + 2, 0], [x + 2, 2]]]},
         "properties": {"name": one}} for x, one in ((0, "5"), (3, name))
    ]}))  # fmt: skip
    assert [one.label for one in read_geojson(tmp_path / "a.geojson").objects] == [1, 2]


def test_files_without_objects_are_read_where_the_shape_is_known(tmp_path):
    empty = np.zeros((4, 5), np.uint8)
    for form, read in (("imagej", read_rois), ("geojson", read_geojson), ("yolo", read_yolo)):
        path = export(empty, tmp_path / f"a.{form}", form)
        np.testing.assert_array_equal(read(path, (4, 5)).labels(), empty)
        if form != "yolo":
            with pytest.raises(ImageError, match="holds no outlines"):
                read(path)
