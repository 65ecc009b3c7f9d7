"""Objects counted in shapes of the viewer."""

from __future__ import annotations

import numpy as np

from napari_sam2_automask._napari.contributions import count_regions
from napari_sam2_automask._napari.contributions.count_regions import count_in_shapes


def test_each_shape_has_its_row(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    labels = np.zeros((40, 60), np.uint16)
    labels[4:8, 4:8], labels[4:8, 30:36], labels[30:34, 40:44] = 1, 2, 5
    layer = viewer.add_labels(
        labels, scale=(0.5, 0.5), units=("um", "um"), features={"index": [1, 2, 5], "s": [1.0, 3.0, 9.0]}
    )
    corners = ([[0, 0], [0, 25], [10, 25], [10, 0]], [[0, 0], [0, 5], [5, 5]], [[0, 0], [9, 9]])
    viewer.add_shapes(
        [np.array(one) for one in corners],
        shape_type=["rectangle", "polygon", "line"],
        features={"name": ["top", "", ""]},
        units=("um", "um"),
    )
    shapes = viewer.layers[-1]
    assert count_in_shapes(viewer) is not None
    qtbot.waitUntil(lambda: "objects" in shapes.features, timeout=30_000)
    found = shapes.features
    assert found["region"].tolist() == ["top", "shape 2", "shape 3"]
    assert found["objects"].tolist() == [2, 1, 0]
    assert found["s_mean"].tolist()[:2] == [2.0, 1.0]
    np.testing.assert_allclose(found["area_um2"], found["area"] * 0.25)
    np.testing.assert_array_equal(layer.data, labels)


def test_what_is_missing_is_said(make_napari_viewer, monkeypatch):
    viewer = make_napari_viewer()
    told = []
    monkeypatch.setattr(count_regions, "show_warning", told.append)
    assert count_in_shapes(viewer) is None
    viewer.add_labels(np.zeros((3, 4, 5), int))
    viewer.add_shapes([np.array([[0, 0], [0, 3], [3, 3]])], shape_type="polygon")
    assert count_in_shapes(viewer) is None
    assert len(told) == 2 and "two axes" in told[0]
