"""Projections of stacks of several axes: over one of them, at the sliders' place on the others."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import tifffile
from napari_kit import Watcher, copied, dock, labels_of, run

from napari_sam2_automask._napari.layers.plane_axes import linkable, plane_axes
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick, parse_channel
from napari_sam2_automask.record.entries import Viewer
from napari_sam2_automask.replay.viewer_planes import ViewerCut

FIVE = np.random.default_rng(0).integers(1, 250, (4, 3, 2, 20, 30)).astype(np.uint8)
STACK = FIVE[:, :, 0]
AT = (2, 1, 1)


def offered(widget):
    """Return what can be chosen beside single planes and all of them."""
    combo = widget.images.planes.combo
    return [combo.itemText(row) for row in range(3, combo.count())]


def choose(widget, text):
    combo = widget.images.planes.combo
    assert text in offered(widget)
    combo.setCurrentText(text)


def opened(viewer, path, array, labels, segmenter=None):
    tifffile.imwrite(path, array, photometric="minisblack")
    viewer.open(path, plugin="napari", **({"axis_labels": labels} if labels else {}))
    widget = dock(viewer, segmenter)
    for axis, place in enumerate(AT[: array.ndim - 2]):
        viewer.dims.set_point(axis, place)
    return widget


def from_command(path, words):
    """Return the pixels that a command would segment."""
    told = {name: words[words.index(name) + 1] for name in words if name in words and name.startswith("--")}
    stack = open_stack(path, told.get("--axes", ""))
    plane = told.get("--plane")
    pick = Pick(
        None if plane is None else int(plane),
        told.get("--project"),
        parse_channel(told.get("--channel")),
        told.get("--axes", ""),
        over=told.get("--over", ""),
    )
    return stack.read(pick).array


@pytest.mark.parametrize(
    ("labels", "items", "text", "expected", "shape", "axis"),
    [
        ("tzyx", ["Maximum over z", "Mean over z", "Maximum over time", "Mean over time"],
         "Maximum over z", STACK[2].max(0), (4, 20, 30), 1),
        ("tzyx", None, "Mean over z", STACK[2].mean(0), (4, 20, 30), 1),
        ("tzyx", None, "Maximum over time", STACK[:, 1].max(0), (3, 20, 30), 0),
        (("Z", "Timepoint", "Y", "X"), None, "Maximum over z", STACK[:, 1].max(0), (3, 20, 30), 0),
        ("zcyx", ["Maximum over z", "Mean over z"], "Maximum over z", STACK[:, 1].max(0), (3, 20, 30), 0),
        ("pzyx", ["Maximum over z", "Mean over z"], "Mean over z", STACK[2].mean(0), (4, 20, 30), 1),
        ("cpyx", [], None, None, None, None),
        (("well", "field", "y", "x"), [], None, None, None, None),
        (("tilt", "t", "y", "x"), ["Maximum over axis tilt", "Mean over axis tilt", "Maximum over time",
                                   "Mean over time"],
         "Maximum over axis tilt", STACK[:, 1].max(0), (3, 20, 30), 0),
        (None, ["Maximum over axis 0", "Mean over axis 0", "Maximum over axis 1", "Mean over axis 1"],
         "Maximum over axis 1", STACK[2].max(0), (4, 20, 30), 1),
        (None, None, "Mean over axis 0", STACK[:, 1].mean(0), (3, 20, 30), 0),
    ],
)  # fmt: skip
def test_one_axis_is_projected(
    make_napari_viewer, qtbot, tmp_path, labels, items, text, expected, shape, axis
):
    viewer, watcher, path = make_napari_viewer(), Watcher(), tmp_path / "deep, all.tif"
    widget = opened(viewer, path, STACK, labels and tuple(labels), watcher)
    if items is not None:
        assert offered(widget) == items
    if text is None:
        return
    choose(widget, text)
    python, words = copied(widget.copies.python), shlex.split(copied(widget.copies.command))
    run(qtbot, widget)
    np.testing.assert_allclose(watcher.planes[0], expected, rtol=1e-6)
    (layer,) = labels_of(viewer)
    assert layer.name.startswith(f"deep, all, {text[0].lower()}{text[1:]} - ")
    kept = [own for own in (0, 1) if own != axis]
    assert layer.data.shape == shape
    where = {own: AT[own] for own in kept}
    drawn = np.flatnonzero(layer.data.any((1, 2)))
    assert list(drawn) == [where[kept[0]]]
    # Lines that repeat it take the same pixels.
    line = next(line for line in python.splitlines() if line.startswith("result ="))
    made = line.removeprefix("result = segment(").split(", balanced")[0]
    made = made[: made.index(f".{text[:4].lower().replace('maxi', 'max')}(")]
    cut = {0: f"[:, {AT[1]}, :, :]", 1: f"[{AT[0]}, :, :, :]"}[axis]
    assert made.endswith(cut)
    np.testing.assert_allclose(from_command(path, words), expected, rtol=1e-6)
    # So does the record.
    viewer_entry = Viewer.model_validate(layer.metadata[RECORD_KEY]["viewer"])
    assert (viewer_entry.over, viewer_entry.planes) == (axis, ((where[kept[0]],),))
    picture = ViewerCut.of(viewer_entry).picture(path, 0)
    np.testing.assert_allclose(picture, expected, rtol=1e-6)


def test_each_projection_has_a_layer_of_its_own(make_napari_viewer, qtbot, tmp_path):
    viewer = make_napari_viewer()
    cube = np.concatenate([STACK[:3], STACK[:3]], 1)[:, :3]
    widget = opened(viewer, tmp_path / "a.tif", cube, ("t", "z", "y", "x"))
    texts = ("Maximum over z", "Mean over z", "Maximum over time")
    for text in (*texts, "Maximum over z"):
        choose(widget, text)
        run(qtbot, widget)
    assert len(labels_of(viewer)) == 3
    for layer, text in zip(labels_of(viewer), texts, strict=True):
        assert layer.name.startswith(f"a, {text.lower()} - ")
    # Another place of the slider goes into the layer of its projection.
    viewer.dims.set_point(0, 0)
    run(qtbot, widget)
    assert [int(layer.data.any((1, 2)).sum()) for layer in labels_of(viewer)] == [2, 1, 1]


@pytest.mark.parametrize("how", ["mixed", "pooled"])
@pytest.mark.parametrize("text", ["Maximum over z", "Mean over time"])
def test_channels_are_projected_each_by_itself(make_napari_viewer, qtbot, tmp_path, how, text):
    viewer, watcher, path = make_napari_viewer(), Watcher(), tmp_path / "a.tif"
    widget = opened(viewer, path, FIVE, ("t", "z", "c", "y", "x"), watcher)
    channels = widget.images.channels
    row = next(k for k in range(channels.count()) if how in channels.itemText(k))
    channels.setCurrentIndex(row)
    channels.activated.emit(row)
    choose(widget, text)
    words = shlex.split(copied(widget.copies.command))
    python = copied(widget.copies.python)
    run(qtbot, widget)
    expected = FIVE[2].max(0) if text == "Maximum over z" else FIVE[:, 1].mean(0)
    np.testing.assert_allclose(watcher.planes[0], np.moveaxis(expected, 0, -1), rtol=1e-6)
    for channel in (0, 1):
        cut = f"[2, :, {channel}, :, :].max(0)" if "z" in text else f"[:, 1, {channel}, :, :].mean(0)"
        assert cut in python
    told = dict(zip(words[3::2], words[4::2], strict=False))
    assert (told["--axes"], told["--plane"]) == ("TZCYX", "2" if "z" in text else "1")
    assert told.get("--over") == (None if "z" in text else "T")
    layer = labels_of(viewer)[-1]
    entry = Viewer.model_validate(layer.metadata[RECORD_KEY]["viewer"])
    found = ViewerCut.of(entry).picture(path, 0)
    np.testing.assert_allclose(found, np.moveaxis(expected, 0, -1), rtol=1e-6)


def test_a_rolled_view_is_projected_along_the_axis_it_is_looked_at(make_napari_viewer, qtbot, tmp_path):
    viewer, watcher, path = make_napari_viewer(), Watcher(), tmp_path / "a.tif"
    widget = opened(viewer, path, STACK, ("t", "z", "y", "x"), watcher)
    viewer.dims.order = (0, 2, 3, 1)
    assert offered(widget)[:2] == ["Maximum over axis y", "Mean over axis y"]
    choose(widget, "Maximum over axis y")
    run(qtbot, widget)
    np.testing.assert_array_equal(watcher.planes[0], STACK[2].max(1).T)
    entry = Viewer.model_validate(labels_of(viewer)[0].metadata[RECORD_KEY]["viewer"])
    assert (entry.over, entry.planes) == (2, ((2,),))
    np.testing.assert_array_equal(ViewerCut.of(entry).picture(path, 0), STACK[2].max(1).T)


def test_the_choice_follows_the_names_of_axes(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    widget = opened(viewer, tmp_path / "a.tif", STACK, None)
    assert "Maximum over axis 0" in offered(widget)
    combo = widget.images.planes.combo
    combo.setCurrentIndex(1)
    viewer.layers[0].axis_labels = ("t", "z", "y", "x")
    assert offered(widget)[0] == "Maximum over z"
    assert combo.currentText() == "All 12 planes"
    choose(widget, "Maximum over z")
    viewer.layers[0].axis_labels = ("t", "p", "y", "x")
    assert offered(widget) == ["Maximum over time", "Mean over time"]
    assert combo.currentText() == "Current plane"


def test_an_image_without_that_axis_is_refused(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(STACK, name="movie", axis_labels=("t", "c", "y", "x"))
    viewer.add_image(STACK, name="deep", axis_labels=("t", "z", "y", "x"))
    widget = dock(viewer)
    choose(widget, "Maximum over z")
    with pytest.raises(ImageError, match="'movie' has no axis Z to project"):
        widget.images.source(viewer.layers["movie"])


def test_the_contrast_of_a_whole_stack_is_that_of_its_projections(make_napari_viewer, qtbot, tmp_path):
    viewer, watcher = make_napari_viewer(), Watcher()
    widget = opened(viewer, tmp_path / "a.tif", STACK, ("t", "z", "y", "x"), watcher)
    choose(widget, "Maximum over z")
    widget.images.restore("stack")
    python = copied(widget.copies.python)
    run(qtbot, widget)
    shown = {"imread": tifffile.imread, "np": np}
    (line,) = (line for line in python.splitlines() if line.startswith("planes ="))
    exec(line, shown)
    np.testing.assert_array_equal(shown["planes"], STACK.max(1))
    from napari_sam2_automask.image import contrast_of_planes

    assert watcher.requests[0].stack_limits == contrast_of_planes(STACK.max(1).__getitem__, 4)


def test_a_projection_of_a_record_of_before_was_over_all_axes(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack")
    cut = ViewerCut((4, 3, 20, 30), (2, 3), 0, ((),), "max")
    np.testing.assert_array_equal(cut.picture(tmp_path / "a.tif", 0), STACK.max((0, 1)))
    assert ViewerCut((4, 3, 20, 30), (2, 3), 0, ((4,),), "max", over=1).picture(tmp_path / "a.tif", 0) is None


@pytest.mark.parametrize(
    ("names", "shape", "found"),
    [("tzyx", (1, 5, 9, 9), 1), ("tzyx", (5, 1, 9, 9), 0), ("tzyx", (5, 2, 9, 9), None),
     ("pzyx", (1, 5, 9, 9), 1), ("pzyx", (5, 1, 9, 9), None), ("yx", (9, 9), None),
     ("ctzyx", (1, 1, 7, 9, 9), 2)],
)  # fmt: skip
def test_objects_are_linked_along_the_only_axis_of_several_planes(names, shape, found):
    count = len(shape)
    axis = linkable(plane_axes(tuple(names), shape, (count - 2, count - 1)))
    assert (axis and axis.axis) == found
