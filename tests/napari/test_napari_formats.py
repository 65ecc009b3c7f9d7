"""Formats of other programs through napari's File menu, as its readers and writers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from napari.layers import Labels
from napari_kit import copied, dock, live_result, rows
from npe2 import PluginManager
from pyramid_factory import write_zarr
from web_folder import served

from napari_sam2_automask import select
from napari_sam2_automask._napari.background.spec_of_request import large_spec
from napari_sam2_automask._napari.contributions import other_formats
from napari_sam2_automask._napari.contributions.read_zarr import read_zarr
from napari_sam2_automask._napari.layers.file_of_layer import file_of_layer
from napari_sam2_automask.errors import FormatError, ImageError, OutputNameError
from napari_sam2_automask.files import open_file, read_rois

PLUGIN = "napari-sam2-automask"


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer in which napari finds the plugin's readers and writers."""
    viewer = make_napari_viewer()
    PluginManager.instance().discover()
    return viewer


def box_labels():
    labels = np.zeros((30, 40), np.uint16)
    labels[3:9, 4:14], labels[12:25, 20:33] = 5, 9
    return labels


@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a_seg.npy"])
def test_labels_go_out_and_come_back(viewer, tmp_path, name):
    labels = box_labels()
    layer = viewer.add_labels(labels, name="boxes", features={"index": [5, 9], "score": [0.5, 0.25]})
    path = tmp_path / name
    assert layer.save(str(path), plugin=PLUGIN) == [str(path)]
    (back,) = viewer.open(str(path), plugin=PLUGIN)
    assert isinstance(back, Labels)
    height, width = back.data.shape
    np.testing.assert_array_equal(back.data, labels[:height, :width])
    assert set(np.unique(back.data)) == {0, 5, 9}
    if name == "a.geojson":
        assert rows(back)[["index", "score"]].to_dict("list") == {"index": [5, 9], "score": [0.5, 0.25]}


def test_whole_masks_go_out(viewer, qtbot, tmp_path):
    widget, layer = live_result(viewer, qtbot)
    path = tmp_path / "a.zip"
    layer.save(str(path), plugin=PLUGIN)
    masks = select(widget.live.live_layer.candidates, widget.form.settings).placed()
    found = {one.label: one.placed for one in read_rois(path, layer.data.shape).objects}
    assert found.keys() == masks.keys()
    for label, placed in masks.items():
        assert found[label].extent == placed.extent
        np.testing.assert_array_equal(found[label].mask, placed.mask)


def test_every_format_is_offered_and_what_it_cannot_hold_is_said(tmp_path):
    labels = box_labels()
    for write in ("imagej", "geojson", "coco_polygons", "yolo", "cellpose"):
        path = str(tmp_path / write)
        assert getattr(other_formats, f"write_{write}")(path, labels, {"name": "boxes"}) == [path]
    labels[5, 6] = 0
    with pytest.raises(FormatError, match="boxes: YOLO text cannot hold holes"):
        other_formats.write_yolo(str(tmp_path / "b"), labels, {"name": "boxes"})
    with pytest.raises(FormatError, match="4 axes"):
        other_formats.write_geojson(str(tmp_path / "b"), labels[None, None], {})
    assert not (tmp_path / "b").exists()


def test_time_is_told_from_z(tmp_path):
    stack = np.stack([box_labels(), box_labels()])
    other_formats.write_geojson(str(tmp_path / "t"), stack, {"axis_labels": ("time", "y", "x")})
    other_formats.write_geojson(str(tmp_path / "z"), stack, {"axis_labels": ("z", "y", "x")})
    assert '"z": 0, "t": 1' in (tmp_path / "t").read_text()
    assert '"z": 1, "t": 0' in (tmp_path / "z").read_text()


def test_other_files_of_these_endings_are_left_to_others(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "nothing")
    (tmp_path / "b.zip").write_bytes(b"none")
    (tmp_path / "a.json").write_text("{}")
    np.save(tmp_path / "a.npy", np.ones(3))
    for name in ("a.zip", "b.zip", "a.json", "a.npy", "none.json"):
        assert other_formats.read_outlined(str(tmp_path / name)) is None
    assert other_formats.read_outlined([]) is None


def test_what_is_left_out_is_told(tmp_path, monkeypatch):
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [3, 0], [3, 3]]]}}
    data = {"type": "FeatureCollection", "features": [feature, {"type": "Feature", "geometry": None}]}
    (tmp_path / "a.geojson").write_text(json.dumps(data))
    told = []
    monkeypatch.setattr(other_formats, "show_warning", told.append)
    ((labels, attributes, kind),) = other_formats._read(str(tmp_path / "a.geojson"))
    assert (labels.shape, attributes["name"], kind) == ((3, 3), "a", "labels")
    assert told == ["a.geojson: left out 1 features without polygons"]


def test_labels_go_into_the_zarr_of_their_image(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", [np.zeros((30, 40), np.uint8)])
    (written,) = other_formats.write_zarr_labels(str(path), box_labels(), {"name": "my labels [2]"})
    assert written == str(path / "labels" / "my_labels_2_")
    np.testing.assert_array_equal(np.asarray(open_file(path / "labels" / "my_labels_2_")[0]), box_labels())
    with pytest.raises(OutputNameError, match="is there already"):
        other_formats.write_zarr_labels(str(path), box_labels(), {"name": "my labels [2]"})


def test_zipped_zarrs_open_with_all_levels_and_labels_are_saved_in_one(viewer, tmp_path):
    labels = np.kron(box_labels(), np.ones((12, 12), np.uint16))
    place = {"scale": (0.5, 0.25), "translate": (30.0, -4.0), "units": ("um", "um")}
    layer = viewer.add_labels(labels, name="mine", **place)
    path = tmp_path / "boxes.ozx"
    layer.save(str(path), plugin=PLUGIN)
    (back,) = viewer.open(str(path), plugin=PLUGIN)
    assert isinstance(back, Labels) and back.multiscale and back.name == "boxes"
    np.testing.assert_array_equal(np.asarray(back.data[0]), labels)
    assert back.data_to_world((2, 4)) == layer.data_to_world((2, 4)) == (31.0, -3.0)
    assert back.units == layer.units


@pytest.mark.parametrize("count", [2, 17])
def test_a_zip_file_of_several_images_opens_as_a_layer_each(viewer, tmp_path, count):
    for n in range(count):
        write_zarr(tmp_path / f"{n}.zarr", [np.full((30, 40), n + 1, np.uint8)])
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(tmp_path.glob("*.zarr/**/*")):
            archive.write(file, file.relative_to(tmp_path))
    if count > 16:
        with pytest.raises(ImageError, match=r"all.zip holds 17 images, too many for layers: unpack it"):
            viewer.open(str(path), plugin=PLUGIN)
        return
    layers = viewer.open(str(path), plugin=PLUGIN)
    assert [(one.name, int(one.data.max())) for one in layers] == [("0", 1), ("1", 2)]
    widget = dock(viewer)
    for n, layer in enumerate(layers):
        viewer.layers.selection = {layer}
        inside = str(path / f"{n}.zarr")
        assert widget.request().source.path == inside
        assert repr(inside) in copied(widget.copies.python) and inside in copied(widget.copies.command)
        assert int(np.max(open_file(Path(inside))[0])) == n + 1
    assert [file_of_layer(one) for one in layers] == [str(path / f"{n}.zarr") for n in range(2)]


def test_a_plate_on_the_web_opens_as_a_layer_of_each_image(viewer, tmp_path):
    plate = tmp_path / "p.zarr"
    zarr.create_group(plate).attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}]}}
    fields = [{"path": "0"}, {"path": "1"}]
    zarr.create_group(plate / "A" / "1").attrs["ome"] = {"version": "0.5", "well": {"images": fields}}
    for n in range(2):
        write_zarr(plate / "A" / "1" / str(n), [np.full((30, 40), n + 1, np.uint8)])
    with served(tmp_path) as (address, _):
        layers = viewer.open(f"{address}/p.zarr", plugin=PLUGIN)
        assert [int(one.data.max()) for one in layers] == [1, 2]
        assert [file_of_layer(one) for one in layers] == [f"{address}/p.zarr/A/1/{n}" for n in range(2)]


def test_a_web_address_opens_lazily(viewer, tmp_path):
    path = write_zarr(tmp_path / "a.zarr", [np.arange(1200, dtype=np.uint16).reshape(30, 40)])
    with served(path.parent) as (address, asked):
        (layer,) = viewer.open(f"{address}/a.zarr", plugin=PLUGIN)
        np.testing.assert_array_equal(np.asarray(layer.data), np.arange(1200).reshape(30, 40))
        assert asked and layer.name == "a"
        widget = dock(viewer)
        text = copied(widget.copies.python)
        assert f"open_file(web_address('{address}/a.zarr'), level=0)" in text
        exec(text.split("result =")[0], found := {})
        assert found["web_address"](f"{address}/a.zarr").name == "a.zarr"
        with pytest.raises(ImageError, match="on the web, where a run in the background does not go"):
            large_spec(widget.request(), "a.zarr")
    assert read_zarr("https://host/page.html") is None and read_zarr(str(tmp_path / "none.ozx")) is None
