"""COCO JSON and labels through napari's File menu, as its readers and writers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from napari_kit import live_result, move, rows
from npe2 import PluginManager
from npe2.io_utils import read, write
from pycocotools import mask as coco_mask

from napari_sam2_automask import paint, select
from napari_sam2_automask._napari.contributions import coco_layers
from napari_sam2_automask._napari.contributions.read_labels import read_labels, read_tiff
from napari_sam2_automask._napari.contributions.save_labels import write_labels
from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.coco import to_coco
from napari_sam2_automask.files.labels_tiff import write_labels as write_tiff
from napari_sam2_automask.files.pixel_size import pixel_size_of, scale_in_file
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.record.record import RECORD_FORMAT

PLUGIN = "napari-sam2-automask"


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer in which napari finds the plugin's readers and writers."""
    viewer = make_napari_viewer()
    PluginManager.instance().discover()
    return viewer


def segmentations(path):
    return {a["id"]: a["segmentation"] for a in json.loads(path.read_text())["annotations"]}


def test_whole_masks_go_out_and_come_back_exactly(viewer, qtbot, tmp_path):
    widget, layer = live_result(viewer, qtbot)
    first, second = tmp_path / "one.json", tmp_path / "two.json"
    layer.save(str(first), plugin=PLUGIN)
    masks = select(widget.live.live_layer.candidates, widget.form.settings)
    expected = {a["id"]: a["segmentation"] for a in to_coco(paint(masks))["annotations"]}
    assert segmentations(first) == expected
    covered = [i for i, rle in expected.items() if coco_mask.area(rle) > (layer.data == i).sum()]
    assert covered  # masks that overlap, which labels alone could not give
    # Back as a layer, and out again.
    (back,) = viewer.open(str(first), plugin=PLUGIN)
    np.testing.assert_array_equal(back.data > 0, layer.data > 0)
    assert rows(back)["index"].tolist() == sorted(expected)
    back.save(str(second), plugin=PLUGIN)
    assert segmentations(second) == expected


def test_what_was_edited_goes_out_as_it_was_left(viewer, qtbot, tmp_path):
    widget, layer = live_result(viewer, qtbot)
    move(qtbot, widget, "pred_iou_thresh", 0.9)
    label = int(np.unique(layer.data)[1])
    layer.data_setitem((np.array([0, 0]), np.array([0, 1])), label)
    path = tmp_path / "edited.json"
    layer.save(str(path), plugin=PLUGIN)
    written = segmentations(path)
    np.testing.assert_array_equal(coco_mask.decode(written[label]), layer.data == label)
    (back,) = viewer.open(str(path), plugin=PLUGIN)
    back.data[:] = np.where(back.data == label, 0, back.data)
    back.save(str(path), plugin=PLUGIN)
    again = segmentations(path)
    assert label not in again
    same = [i for i in again if again[i] == written[i]]
    assert len(same) >= len(again) - 2  # all but those that the edited object lay over


def test_planes_of_a_stack_are_images(viewer, tmp_path):
    labels = np.zeros((3, 8, 9), np.uint16)
    labels[0, 2:4, 3:6], labels[2, 2:4, 3:6], labels[2, 7, 8] = 5, 5, 6
    path = tmp_path / "stack.json"
    viewer.add_labels(labels, name="stack").save(str(path), plugin=PLUGIN)
    content = json.loads(path.read_text())
    assert [image["file_name"] for image in content["images"]] == [f"stack plane {k}" for k in range(3)]
    assert [(a["id"], a["image_id"], a["label"]) for a in content["annotations"]] == [
        (1, 1, 5),
        (2, 3, 5),
        (3, 3, 6),
    ]
    assert content["annotations"][0]["bbox"] == [3, 2, 3, 2]


@pytest.mark.parametrize("content", ["[1, 2]", '{"settings": {}}', "no json", '{"images": []}'])
def test_other_json_is_declined(viewer, tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="refused the file"):
        read([str(path)], plugin_name=PLUGIN, stack=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a["segmentation"].update(size=[3, 4]), "size"),
        (lambda a: a["segmentation"].update(counts=[1, 2]), "run lengths"),
        (lambda a: a.pop("segmentation"), "segmentation"),
    ],
)
def test_broken_annotations_are_named(viewer, tmp_path, change, words):
    path = tmp_path / "cells.json"
    labels = np.zeros((8, 9), np.uint16)
    labels[2:4, 3:6] = 1
    write(str(path), [(labels, {"name": "cells"}, "labels")], plugin_name=PLUGIN)
    content = json.loads(path.read_text())
    change(content["annotations"][0])
    path.write_text(json.dumps(content))
    with pytest.raises(ImageError, match=words):
        read([str(path)], plugin_name=PLUGIN, stack=False)


def test_ids_that_are_no_labels_become_a_column_and_what_cannot_be_shown_is_told(viewer, tmp_path):
    def square(x):
        return [[x, 2, x + 3, 2, x + 3, 5, x, 5]]

    outlines = {"a": square(0), "b": [], "c": square(5)}
    path = tmp_path / "cells.json"
    image = {"id": "x", "height": 8, "width": 9}
    annotations = [
        {"id": identity, "image_id": "x", "segmentation": outline} for identity, outline in outlines.items()
    ]
    path.write_text(json.dumps({"images": [image], "annotations": annotations}))
    (layer,) = viewer.open(str(path), plugin=PLUGIN)
    assert (layer.data[3, 1], layer.data[3, 6], layer.data[0, 0]) == (1, 2, 0)
    assert layer.name == "image x - cells"
    assert rows(layer)["index"].tolist() == [1, 2]
    assert rows(layer)["id"].tolist() == ["a", "c"]
    told = notification_manager.records[-1].message
    assert told == "cells.json: left out annotations without a segmentation (1)"
    again = tmp_path / "again.json"
    layer.save(str(again), plugin=PLUGIN)
    assert {k: coco_mask.area(rle) for k, rle in segmentations(again).items()} == {1: 9, 2: 9}


@pytest.mark.parametrize(("most", "layers"), [(100, 2), (99, 1)])
def test_no_more_images_than_memory_holds_are_shown(viewer, tmp_path, monkeypatch, most, layers):
    monkeypatch.setattr(coco_layers, "MOST_SHOWN", most)
    path = tmp_path / "many.json"
    images = [{"id": k, "file_name": "a.png", "height": 5, "width": 10} for k in range(2)]
    path.write_text(json.dumps({"images": images, "annotations": []}))
    assert len(read([str(path)], plugin_name=PLUGIN, stack=False)) == layers


def test_labels_keep_table_and_record_beside_them(viewer, qtbot, tmp_path):
    _, layer = live_result(viewer, qtbot)
    path = tmp_path / "out.tif"
    written = layer.save(str(path), plugin=PLUGIN)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "out.record.json", "out.tif"]
    assert written
    np.testing.assert_array_equal(tifffile.imread(path), layer.data)
    assert json.loads((tmp_path / "out.record.json").read_text()) == layer.metadata[RECORD_KEY]
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + len(rows(layer))


def test_saved_labels_come_back_with_table_and_record(viewer, qtbot, tmp_path):
    _, layer = live_result(viewer, qtbot)
    path = tmp_path / "out.tif"
    layer.scale, layer.units = (0.5, 0.25), ("nm", "um")
    layer.data_setitem((np.array([0, 0]), np.array([0, 1])), int(layer.data.max()))
    layer.save(str(path), plugin=PLUGIN)
    (back,) = viewer.open(str(path), plugin=PLUGIN)
    assert isinstance(back, Labels)
    np.testing.assert_array_equal(back.data, layer.data)
    assert rows(back)["index"].tolist() == rows(layer)["index"].tolist()
    assert back.metadata[RECORD_KEY] == json.loads((tmp_path / "out.record.json").read_text())
    assert [str(unit) for unit in back.units] == ["micrometer"] * 2
    np.testing.assert_allclose(back.scale, (0.0005, 0.25))


@pytest.mark.parametrize(
    ("names", "axes", "told"),
    [
        (("z", "y", "x"), "ZYX", (2.0, 0.5, 0.25, "um")),
        (("time", "y", "x"), "TYX", (None, 0.5, 0.25, "um")),
        (("table", "y", "x"), "QYX", (None, 0.5, 0.25, "um")),
        (("", "y", "x"), "QYX", (None, 0.5, 0.25, "um")),
    ],
)
def test_saved_stacks_tell_axes_and_sizes(names, axes, told, tmp_path):
    units = ("second" if axes == "TYX" else "um", "um", "um")
    meta = {"axis_labels": names, "scale": (2.0, 0.5, 0.25), "units": units}
    path = tmp_path / "out.tif"
    write_labels(str(path), np.ones((3, 8, 9), np.int64), meta)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].axes == axes and tiff.series[0].dtype == "u2"
    assert pixel_size_of(path) == pytest.approx(told)
    assert scale_in_file(path).seconds == (2.0 if axes == "TYX" else None)


def results(folder, stem, labels, plain=False):
    """Write what a run gives; with `plain` as the widget saves it."""
    folder.mkdir(exist_ok=True)
    named = ("", ".csv") if plain else (".labels", ".table.csv")
    with (folder / f"{stem}{named[0]}.tif").open("wb") as file:
        write_tiff(file, labels, size=(None, 0.5, 0.25, "um"))
    record = {"format": RECORD_FORMAT, "objects": 1, "labels_sha256": image_hash(labels)}
    (folder / f"{stem}.record.json").write_text(json.dumps(record))
    (folder / f"{stem}{named[1]}").write_text("index,area\n1,20\n")
    return folder / f"{stem}{named[0]}.tif"


def test_the_reader_opens_every_tiff(make_napari_viewer, tmp_path):
    """Whoever chose it once for all TIFFs still sees images."""
    labels = np.zeros((20, 30), np.uint16)
    labels[2:6, 3:8] = 1
    path = results(tmp_path / "run", "cells", labels)
    image = tmp_path / "run" / "cells.tif"
    tifffile.imwrite(image, labels + 7)
    viewer = make_napari_viewer()
    viewer.open([str(path), str(image)], plugin="napari-sam2-automask")
    first, second = viewer.layers
    assert (type(first).__name__, type(second).__name__) == ("Labels", "Image")
    np.testing.assert_array_equal(second.data, labels + 7)
    assert read_tiff(str(tmp_path / "missing.tif")) is not None  # which says that there is none
    (stack,) = viewer.open([str(image), str(image)], plugin="napari-sam2-automask", stack=True)
    assert stack.data.shape == (2, 20, 30)


def test_which_tiffs_are_labels(tmp_path):
    labels = np.zeros((20, 30), np.uint16)
    labels[2:6, 3:8] = 1
    path = results(tmp_path / "run", "cells", labels)
    ((data, attributes, kind),) = read_labels(str(path))(str(path))
    assert kind == "labels" and attributes["name"] == "cells"
    np.testing.assert_array_equal(data, labels)
    assert objects_of(attributes["features"])["area"].tolist() == [20]
    np.testing.assert_allclose(attributes["scale"], (0.5, 0.25))
    assert attributes["units"] == ("micrometer",) * 2
    image = tmp_path / "run" / "cells.tif"
    tifffile.imwrite(image, labels + 7)
    assert read_labels(str(image)) is None, "the image beside its results"
    image.write_bytes(path.read_bytes())
    assert read_labels(str(image)) is not None, "the labels under another name"
    saved = results(tmp_path / "saved", "mine", labels, plain=True)
    assert read_labels([str(saved)]) is not None
    tifffile.imwrite(saved, (labels / 3).astype(np.float32))
    assert read_labels(str(saved)) is None
    (tmp_path / "saved" / "mine.record.json").write_text('{"format": "of another program"}')
    assert read_labels(str(saved)) is None
    (tmp_path / "saved" / "mine.record.json").write_text("no json")
    assert read_labels(str(saved)) is None
    assert read_labels(str(tmp_path / "missing.tif")) is None
    assert read_labels([]) is None
