"""Stacks whose objects keep their number from plane to plane."""

from __future__ import annotations

import shlex

import numpy as np
import pandas as pd
import pytest
from napari.layers import Tracks
from napari_kit import copied, dock, labels_of, rows, run

from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask._napari.run.place_result import RECORD_KEY

PLANES = 4


class TwoMovers:
    """Finds the two bright squares of a plane and numbers them as it happens."""

    def __call__(self, plane, request, progress):
        labels = np.where(plane > 150, 5, np.where(plane > 50, 9, 0)).astype(np.uint16)
        if plane.max() % 2:  # another number in every other plane
            labels = np.where(labels == 5, 2, labels).astype(np.uint16)
        ids = np.unique(labels)[1:].astype(np.int64)
        return PlaneResult(labels, pd.DataFrame({"index": ids}), {"settings": {}}, {}, True, "cpu")


def stack():
    image = np.zeros((PLANES, 30, 40), np.uint8)
    for t in range(PLANES):
        image[t, 5:12, 4 + 3 * t : 12 + 3 * t] = 200 + t
        image[t, 20:26, 30 - 2 * t : 36 - 2 * t] = 100
    return image


def open_on(viewer, link, image=None, **how):
    viewer.add_image(stack() if image is None else image, name="movie", **how)
    widget = dock(viewer, TwoMovers())
    assert widget.images.link_combo.isHidden()
    widget.images.planes.combo.setCurrentIndex(1)
    assert not widget.images.link_combo.isHidden()
    widget.images.link_combo.setCurrentIndex(widget.images.link_combo.findData(link))
    return widget


def test_objects_keep_their_number_in_time_and_become_tracks(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    widget = open_on(viewer, "t", scale=(1, 2, 3), translate=(0, 5, 7))
    widget.form.show(widget.form.settings.replace(measures=("perimeter", "intensity_mean")))
    run(qtbot, widget)
    (labels,) = labels_of(viewer)
    np.testing.assert_array_equal(labels.data > 0, stack() > 0)
    for plane, image in zip(labels.data, stack(), strict=True):
        assert set(plane[image > 150]) == {labels.data[0, 6, 5]}
        assert set(plane[(image > 50) & (image < 150)]) == {labels.data[0, 22, 31]}
    assert rows(labels)["n_planes"].tolist() == [PLANES, PLANES]
    assert labels.metadata[RECORD_KEY]["link"]["along"] == "time"
    (tracks,) = [layer for layer in viewer.layers if isinstance(layer, Tracks)]
    assert len(tracks.data) == 2 * PLANES
    np.testing.assert_allclose(tracks.scale, labels.scale)
    np.testing.assert_allclose(tracks.translate, labels.translate)
    for _, t, y, x in tracks.data:
        assert labels.data[int(t), round(y), round(x)] > 0
    # Measured in each frame, of the image as it is.
    for number, t, mean in zip(
        tracks.data[:, 0], tracks.data[:, 1], tracks.features["intensity_mean"], strict=True
    ):
        assert mean == (200 + t if labels.data[0, 6, 5] == number else 100)
    assert (tracks.features["perimeter"] > 20).all()
    # Again: both are replaced.
    run(qtbot, widget)
    assert len(labels_of(viewer)) == 1
    assert sum(isinstance(layer, Tracks) for layer in viewer.layers) == 1
    assert "--link" in shlex.split(copied(widget.copies.command))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_bodies_have_volumes(make_napari_viewer, qtbot, order):
    viewer = make_napari_viewer()
    image = np.transpose(stack(), order)
    viewer.add_image(image, scale=np.array([4, 2, 2])[list(order)], units="um")
    viewer.dims.order = order
    widget = dock(viewer, TwoMovers())
    widget.images.planes.combo.setCurrentIndex(1)
    widget.images.link_combo.setCurrentIndex(1)
    widget.form.show(widget.form.settings.replace(measures=("volume", "intensity_max")))
    run(qtbot, widget)
    (labels,) = labels_of(viewer)
    np.testing.assert_array_equal(labels.data > 0, image > 0)
    for _, row in rows(labels).iterrows():
        own = labels.data == row["index"]
        assert row["volume"] == np.count_nonzero(own) and row["intensity_max"] == image[own].max()
    assert len(np.unique(labels.data)) == 3
    volumes = rows(labels).set_index("index")["volume_um3"]
    for label, volume in volumes.items():
        assert volume == pytest.approx(np.count_nonzero(labels.data == label) * 16)
    assert not [layer for layer in viewer.layers if isinstance(layer, Tracks)]


@pytest.mark.parametrize(("z", "voxel"), [("nm", 16.0), ("pixel", None)])
def test_sections_have_a_distance_in_a_unit_of_their_own_or_none(make_napari_viewer, qtbot, z, voxel):
    viewer = make_napari_viewer()
    viewer.add_image(stack(), scale=(4000, 2, 2), units=(z, "um", "um"))
    widget = dock(viewer, TwoMovers())
    widget.images.planes.combo.setCurrentIndex(1)
    widget.images.link_combo.setCurrentIndex(1)
    run(qtbot, widget)
    (labels,) = labels_of(viewer)
    table = rows(labels)
    if voxel is None:
        assert "volume_um3" not in table
    else:
        np.testing.assert_allclose(table["volume_um3"], table["voxels"] * voxel)


def test_a_range_is_linked_and_its_planes_are_counted_in_the_stack(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    widget = open_on(viewer, "t")
    planes = widget.images.planes
    planes.combo.setCurrentIndex(planes.combo.findData("range"))
    planes.first.setValue(1)
    planes.last.setValue(2)
    widget.images.link_combo.setCurrentIndex(widget.images.link_combo.findData("t"))
    run(qtbot, widget)
    (labels,) = labels_of(viewer)
    assert [bool(plane.any()) for plane in labels.data] == [False, True, True, False]
    np.testing.assert_array_equal(labels.data[1:3] > 0, stack()[1:3] > 0)
    assert rows(labels)["first_plane"].tolist() == [1, 1]
    assert rows(labels)["n_planes"].tolist() == [2, 2]
    (tracks,) = [layer for layer in viewer.layers if isinstance(layer, Tracks)]
    assert sorted(set(tracks.data[:, 1])) == [1, 2]


@pytest.mark.parametrize("name", ["pos", "Position", "P"])
def test_positions_are_neither_linked_nor_projected(make_napari_viewer, name):
    viewer = make_napari_viewer()
    viewer.add_image(np.ones((3, 20, 30)), axis_labels=(name, "y", "x"))
    widget = dock(viewer)
    combo = widget.images.planes.combo
    combo.setCurrentIndex(combo.findData("all"))
    assert widget.images.link_combo.isHidden()
    widget.images.link_combo.setCurrentIndex(1)
    assert widget.request().link == ""
    assert [combo.itemText(row) for row in range(combo.count())] == [
        "Current plane", "All 3 planes", "A range of planes",
    ]  # fmt: skip


@pytest.mark.parametrize("link", ["z", "t"])
@pytest.mark.parametrize(
    ("names", "shown"),
    [("tzyx", "tzyx"), ("ztyx", "tyx"), ("ctyx", "tyx"), ("tzcyx", ""), ("czpyx", "zpyx")],
)
def test_axes_of_one_position_do_not_matter(make_napari_viewer, qtbot, link, names, shown):
    long = names.index("t") if "t" in names else names.index("z")
    image = np.expand_dims(stack(), [axis for axis in range(len(names) - 2) if axis != long])
    viewer = make_napari_viewer()
    widget = open_on(viewer, link, image, axis_labels=tuple(names), scale=(3,) * len(names), units="um")
    assert widget.images.link == link
    run(qtbot, widget)
    (labels,) = labels_of(viewer)
    assert labels.data.shape == image.shape
    np.testing.assert_array_equal(labels.data > 0, image > 0)
    for plane, one in zip(labels.data.reshape(stack().shape), stack(), strict=True):
        assert set(plane[one > 150]) == {np.squeeze(labels.data)[0, 6, 5]}
    found = [layer for layer in viewer.layers if isinstance(layer, Tracks)]
    if link == "z":
        volumes = rows(labels).set_index("index")["volume_um3"]
        for label, volume in volumes.items():
            assert volume == pytest.approx(np.count_nonzero(labels.data == label) * 27)
    if link == "z" or not shown:  # more axes than a Tracks layer has
        assert not found
        return
    (tracks,) = found
    assert tracks.axis_labels == tuple(shown)
    for row in tracks.data:
        assert np.squeeze(labels.data)[int(row[1]), round(row[-2]), round(row[-1])] > 0
    np.testing.assert_allclose(tracks.scale, 3)
