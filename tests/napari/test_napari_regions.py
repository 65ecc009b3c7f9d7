"""Where to look: shapes, masks and the field of view."""

from __future__ import annotations

import shlex

import numpy as np
import pandas as pd
import pytest
from candidate_factory import random_candidates
from napari.layers import Image, Points
from napari_kit import LOW, BlobSegmenter, ObedientSegmenter, copied, dock, finish, labels_of, move, rows, run
from pycocotools import mask as coco_mask

from napari_sam2_automask import paint, select
from napari_sam2_automask._napari.contributions.coco_layers import coco_of
from napari_sam2_automask._napari.contributions.save_labels import write_labels
from napari_sam2_automask._napari.layers import place, region
from napari_sam2_automask._napari.live.live_work import BESIDE
from napari_sam2_automask._napari.run.place_result import LAYER_KEY
from napari_sam2_automask.candidates.pooling import take_inside
from napari_sam2_automask.errors import ImageError

IMAGE = np.random.default_rng(0).random((60, 80))


class Seer(ObedientSegmenter):
    """Remembers what it was shown."""

    def __call__(self, plane, request, progress):
        self.seen = np.array(plane)
        return super().__call__(plane, request, progress)


@pytest.fixture
def seer():
    return Seer()


def inside(layer):
    rows, columns = np.nonzero(layer.data)
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def test_a_rectangle_is_cut_out_and_its_labels_put_back(make_napari_viewer, qtbot, seer):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE, scale=(2, 0.5), translate=(10, 20))
    corners = np.array([[10, 30], [10, 50], [40, 50], [40, 30]])
    shapes = viewer.add_shapes([corners], name="here", scale=(2, 0.5), translate=(10, 20))
    widget = dock(viewer, seer)
    widget.images.where.choose(shapes)
    run(qtbot, widget)
    np.testing.assert_array_equal(seer.seen, IMAGE[10:40, 30:50])
    (labels,) = labels_of(viewer)
    assert labels.name == "IMAGE - balanced, bundled, here"
    assert inside(labels) == (10, 30, 40, 50)
    # The same region again replaces; another adds.
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 1
    widget.images.where.setCurrentIndex(0)
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 2


def test_shapes_of_all_kinds_and_a_mask(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE)
    ellipse = np.array([[10, 10], [10, 30], [30, 30], [30, 10]])
    triangle = np.array([[40, 40], [40, 60], [55, 40]])
    shapes = viewer.add_shapes([ellipse, triangle], shape_type=["ellipse", "polygon"])
    mask = np.zeros(IMAGE.shape, np.uint8)
    mask[5:9, 70:78] = 3
    own = viewer.add_labels(mask, name="my mask")
    widget = dock(viewer, ObedientSegmenter())
    widget.images.where.choose(shapes)
    region = widget.request().region
    assert region.box == (10, 10, 55, 60)
    whole = np.zeros(IMAGE.shape, bool)
    region.cut(whole)[...] = region.mask
    assert whole.sum() == pytest.approx(np.pi * 100 + 150, rel=0.12)
    assert whole[20, 20]
    assert not whole[11, 11]
    assert whole[42, 42]
    assert not whole[54, 58]
    widget.images.where.choose(own)
    region = widget.request().region
    assert (region.box, region.mask.all()) == ((5, 70, 9, 78), True)


def test_the_field_of_view(make_napari_viewer, qtbot, seer):
    viewer = make_napari_viewer()
    image = viewer.add_image(IMAGE)
    widget = dock(viewer, seer)
    widget.images.where.setCurrentIndex(1)
    image.corner_pixels = np.array([[5, 8], [24, 37]])
    run(qtbot, widget)
    np.testing.assert_array_equal(seer.seen, IMAGE[5:25, 8:38])


@pytest.mark.parametrize("kind", ["line", "elsewhere", "shape", "empty"])
def test_where_nothing_is_to_be_seen_there_is_a_clear_answer(make_napari_viewer, kind):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE)
    if kind == "line":
        layer = viewer.add_shapes([[[1, 1], [30, 30]]], shape_type="line")
    elif kind == "elsewhere":
        layer = viewer.add_shapes([[[-30, -30], [-30, -10], [-5, -10]]], shape_type="polygon")
    else:
        layer = viewer.add_labels(np.zeros(IMAGE.shape if kind == "empty" else (5, 5), int))
    widget = dock(viewer, ObedientSegmenter())
    widget.images.where.choose(layer)
    words = {"line": "no shape", "elsewhere": "nothing of", "shape": "shape", "empty": "is empty"}
    with pytest.raises(ImageError, match=words[kind]):
        widget.request()
    widget.run_panel.button.click()
    assert not widget.running
    assert words[kind] in widget.run_panel.status.text()


def test_objects_outside_the_shapes_are_left_out():
    candidates = random_candidates((80, 100), 60, seed=2, settings=LOW)
    mask = np.zeros((80, 100), bool)
    mask[:, :50] = True
    inside = take_inside(candidates, mask)
    assert 0 < len(inside) < len(candidates)
    shares = []
    for row in range(len(candidates)):
        _, x0, pixels = candidates.mask(row)
        shares.append((np.nonzero(pixels)[1] + x0 < 50).mean())
    rows = [row for row, share in enumerate(shares) if share >= 0.5]
    np.testing.assert_array_equal(inside.predicted_iou, candidates.predicted_iou[rows])
    np.testing.assert_array_equal(inside.boxes, candidates.boxes[rows])
    assert take_inside(candidates, None) is candidates


class CutSegmenter(BlobSegmenter):
    """Finds the same blobs in whatever it is shown of 80 x 100 pixels."""

    def __call__(self, plane, request, progress):
        assert plane.shape == (80, 100)
        return super().__call__(plane, request, progress)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["upright", "transposed"])
def test_sliders_act_inside_the_region_only(make_napari_viewer, qtbot, order, tmp_path):
    viewer = make_napari_viewer()
    shape = (90, 130) if order == (0, 1) else (130, 90)
    viewer.add_image(np.random.default_rng(0).random(shape), name="cells")
    viewer.dims.order = order
    corners = np.array([[7, 20], [7, 120], [87, 120], [87, 20]])
    shapes = viewer.add_shapes([corners if order == (0, 1) else corners[:, ::-1]], name="here")
    widget = dock(viewer, CutSegmenter())
    widget.images.where.choose(shapes)
    widget.form.show(LOW.replace(pred_iou_thresh=0.7))
    run(qtbot, widget)
    layer = labels_of(viewer)[-1]

    def seen():
        return (layer.data if order == (0, 1) else layer.data.T)[7:87, 20:120]

    # Nothing can be painted beside it, which is said: no record could repeat that. What lies in it stays.
    first = layer.metadata[LAYER_KEY]["digests"]
    place = tuple(np.meshgrid(range(6, 9), range(21, 23), indexing="ij"))
    before = seen()[:2, 1:3].copy()
    layer.data_setitem(place if order == (0, 1) else place[::-1], 777)
    qtbot.waitUntil(lambda: widget.mend.message.text() == BESIDE)
    assert (layer.data == 777).sum() == 4 and (seen()[:2, 1:3] == 777).all()
    assert layer.metadata[LAYER_KEY]["digests"] == first  # no other run takes its place
    with qtbot.waitSignal(widget.live.mended):
        widget.live.undo_last()
    np.testing.assert_array_equal(seen()[:2, 1:3], before)
    assert not (layer.data == 777).any()
    move(qtbot, widget, "pred_iou_thresh", 0.9)
    candidates = widget.live.live_layer.candidates
    painted = paint(select(candidates, widget.form.settings))
    np.testing.assert_array_equal(seen(), painted.labels)
    # The table of what was undone just before may still come first.
    qtbot.waitUntil(lambda: len(rows(layer)) == len(painted.table) and not widget.following.tables.busy)
    table = rows(layer)
    assert table["bbox_y0"].tolist() == (painted.table["bbox_y0"] + 7).tolist()
    assert table["point_x"].tolist() == (painted.table["point_x"] + 20).tolist()
    files = write_labels(str(tmp_path / "cells.tif"), *layer.as_layer_data_tuple()[:2])
    saved = pd.read_csv(next(file for file in files if file.endswith(".csv")))
    assert saved["index"].tolist() == rows(layer)["index"].tolist()
    # And whole masks lie in the right place.
    coco = coco_of(layer.data, {"metadata": layer.metadata, "features": rows(layer)})
    for annotation in coco["annotations"]:
        mask = coco_mask.decode(annotation["segmentation"]).astype(bool)
        assert mask[layer.data == annotation["id"]].all()


def test_python_repeats_it_and_the_command_says_that_it_cannot(make_napari_viewer, seer):
    viewer = make_napari_viewer()
    viewer.add_image(IMAGE, name="cells")
    shapes = viewer.add_shapes([np.array([[10, 30], [10, 50], [40, 50], [40, 30]])])
    widget = dock(viewer, seer)
    widget.images.where.choose(shapes)
    assert "[10:40, 30:50]" in copied(widget.copies.python)
    before = copied(widget.copies.command)
    assert "segment(" in before  # still what was copied as Python
    widget.images.where.setCurrentIndex(0)
    assert shlex.split(copied(widget.copies.command))[0] == "sam2-automask"


def test_a_region_of_every_plane(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.full((3, 20, 30), 9, np.uint8))
    shapes = viewer.add_shapes([np.array([[5, 10], [5, 20], [15, 20], [15, 10]])])
    widget = dock(viewer, ObedientSegmenter())
    widget.images.where.choose(shapes)
    widget.images.planes.combo.setCurrentIndex(1)
    widget.run()
    finish(qtbot, widget)
    layer = labels_of(viewer)[-1]
    assert layer.data[:, 5:15, 10:20].all()
    assert np.count_nonzero(layer.data) == 3 * 100


@pytest.mark.parametrize("corners", [3, 4, 7, 90])
def test_what_lies_in_an_outline_is_as_scikit_image_has_it(corners):
    from skimage.draw import polygon2mask

    rng = np.random.default_rng(corners)
    for _ in range(20):
        # Lines cross each other, and reach beyond the image.
        points = rng.uniform(-20, 100, (corners, 2))
        expected = polygon2mask((60, 80), points)
        np.testing.assert_array_equal(region.inside([points], (60, 80)), expected)
        more = rng.uniform(0, 60, (4, 2))
        both = expected | polygon2mask((60, 80), more)
        np.testing.assert_array_equal(region.inside([points, more], (60, 80)), both)


def test_many_positions_lie_where_napari_has_each():
    shear = np.array([[1, 0.3, 0], [0, 1, -0.2], [0, 0, 1]])
    image = Image(np.zeros((5, 6, 7)), scale=(3, 0.5, 0.25), translate=(1, 2, 3), rotate=20, affine=np.eye(4))
    shapes = Points(np.zeros((1, 2)), scale=(2, 0.1), translate=(-4, 9), rotate=-35, affine=shear)
    points = np.random.default_rng(0).uniform(-50, 50, (30, 2))
    found = place.onto(image, shapes, points)
    for point, there in zip(points, found, strict=True):
        np.testing.assert_allclose(there, image.world_to_data((0, *shapes.data_to_world(point))), atol=1e-9)
    assert place.onto(image, shapes, np.zeros((0, 2))).shape == (0, 3)
