"""Objects counted in shapes of the viewer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from napari_sam2_automask._napari.contributions import count_regions
from napari_sam2_automask._napari.contributions.count_regions import count_in_shapes
from napari_sam2_automask._napari.layers.features import numbered


def test_each_shape_has_its_row(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    labels = np.zeros((40, 60), np.uint16)
    labels[4:8, 4:8], labels[4:8, 30:36], labels[30:34, 40:44] = 1, 2, 5
    layer = viewer.add_labels(
        labels,
        scale=(0.5, 0.5),
        units=("um", "um"),
        features=numbered(pd.DataFrame({"index": [1, 2, 5], "area": [16, 24, 16], "s": [1.0, 3.0, 9.0]})),
    )
    corners = ([[0, 0], [0, 25], [10, 25], [10, 0]], [[0, 0], [0, 5], [6, 5]], [[0, 0], [9, 9]])
    viewer.add_shapes(
        [np.array(one) for one in corners],
        shape_type=["rectangle", "polygon", "line"],
        features={"name": ["top", "", ""]},
        units=("um", "um"),
    )
    shapes = viewer.layers[-1]
    assert count_in_shapes(viewer) is not None
    qtbot.waitUntil(lambda: "objects" in shapes.features)
    found = shapes.features
    assert found["region"].tolist() == ["top", "shape 2", "shape 3"]
    assert found["objects"].tolist() == [2, 1, 0]
    assert found["s_mean"].tolist()[:2] == [2.0, 1.0] and found["area_mean"].tolist()[:2] == [20.0, 16.0]
    np.testing.assert_allclose(found["area_um2"], found["area"] * 0.25)
    np.testing.assert_array_equal(layer.data, labels)


def test_an_ellipse_and_a_hundred_shapes_on_a_scaled_stack_of_shapes(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    labels = np.zeros((400, 500), np.int32)
    labels[::10, ::10] = np.arange(1, 2001).reshape(40, 50)
    viewer.add_labels(labels, scale=(0.5, 2), translate=(7, -3))
    box = np.array([[0, 0], [0, 40], [40, 40], [40, 0]], float)
    corners = [box + np.array([10 * (k % 30), 10 * (k // 30)]) for k in range(99)]
    # Three axes: the first says nothing of labels with two.
    ellipse = np.column_stack([np.full(4, 2.0), box * 2 + 100])
    flat = viewer.add_shapes(corners, scale=(0.5, 2), translate=(7, -3))
    assert count_in_shapes(viewer) is not None
    qtbot.waitUntil(lambda: "objects" in flat.features)
    assert flat.features["objects"].tolist() == [16] * 99
    assert flat.features["area"].tolist() == [1600] * 99
    round_one = viewer.add_shapes([ellipse], shape_type="ellipse", scale=(1, 0.5, 2), translate=(0, 7, -3))
    assert count_in_shapes(viewer) is not None
    qtbot.waitUntil(lambda: "objects" in round_one.features)
    assert abs(round_one.features["area"][0] / (np.pi * 40**2) - 1) < 0.01


def test_what_is_missing_is_said(make_napari_viewer, monkeypatch):
    viewer = make_napari_viewer()
    told = []
    monkeypatch.setattr(count_regions, "show_warning", told.append)
    assert count_in_shapes(viewer) is None
    viewer.add_labels(np.zeros((3, 4, 5), int))
    viewer.add_shapes([np.array([[0, 0], [0, 3], [3, 3]])], shape_type="polygon")
    assert count_in_shapes(viewer) is None
    assert len(told) == 2 and "two axes" in told[0]
