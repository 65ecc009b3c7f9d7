"""Labels from anywhere as a start for mending."""

from __future__ import annotations

import numpy as np
import pytest
from napari_kit import move

from napari_sam2_automask._napari.contributions import mend_commands
from napari_sam2_automask._napari.layers.features import objects_of


def taken(qtbot, widget, act):
    """Do something and wait until its objects are locked and in the table."""
    act()
    follower = widget.live.live_layer
    qtbot.waitUntil(lambda: bool(follower.shows.kept) and not follower.waiting)
    qtbot.waitUntil(
        lambda: (
            set(objects_of(follower.layer.features)["index"]) == set(np.unique(follower.layer.data)) - {0}
        ),
        timeout=30_000,
    )


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, bool])
def test_other_labels_become_the_objects_and_stay(viewer, live, qtbot, dtype):
    widget, layer = live
    button = widget.mend.own_labels
    assert button.isHidden()
    before, own = layer.data.copy(), np.zeros(layer.data.shape, dtype)
    own[2:9, 3:12], own[15:20, 20:31] = 1, 500 if dtype is not bool else 1
    other = viewer.add_labels(own, name="cellpose")
    assert not button.isHidden() and button.others == [other]
    button._fill()
    (choice,) = button.menu().actions()
    assert choice.text() == "cellpose"
    taken(qtbot, widget, choice.trigger)
    assert layer in viewer.layers and widget.live.live_layer.layer is layer
    np.testing.assert_array_equal(layer.data > 0, own > 0)
    labels = np.unique(layer.data)[1:].tolist()
    assert widget.live.live_layer.locked == frozenset(labels)
    assert len(labels) == (1 if dtype is bool else 2)
    np.testing.assert_array_equal(other.data, own)
    assert "cellpose" in widget.mend.message.text()
    table = objects_of(layer.features)
    assert table["index"].tolist() == labels
    assert table["area"].tolist() == [int((layer.data == n).sum()) for n in labels]
    move(qtbot, widget, "pred_iou_thresh", 0.6)  # no candidate comes back where there was an object
    np.testing.assert_array_equal((layer.data > 0)[before > 0], (own > 0)[before > 0])
    viewer.layers.remove(other)
    assert button.isHidden()


def test_it_is_one_step(viewer, live, qtbot):
    widget, layer = live
    before = layer.data.copy()
    other = viewer.add_labels((np.indices(before.shape).sum(0) // 9).astype(np.int32))
    viewer.layers.selection.active = other
    taken(qtbot, widget, mend_commands.own_labels)
    assert not np.array_equal(layer.data, before)
    with qtbot.waitSignal(widget.live.mended):
        widget.live.undo_last()
    np.testing.assert_array_equal(layer.data, before)


def test_labels_of_half_the_pixels_lie_where_they_are_seen(viewer, live, qtbot):
    widget, layer = live
    rows, columns = layer.data.shape
    coarse = np.zeros((rows // 2, columns // 2), np.uint8)
    coarse[3:6, 4:9] = 7
    other = viewer.add_labels(coarse, scale=(2, 2), translate=(0.5, 0.5))
    taken(qtbot, widget, lambda: widget.mend.own_labels.take(other))
    expected = np.zeros(layer.data.shape, bool)
    expected[6:12, 8:18] = True
    np.testing.assert_array_equal(layer.data > 0, expected)


def test_what_does_not_lie_on_it_is_not_offered(viewer, live, monkeypatch):
    widget, layer = live
    viewer.add_labels(np.ones((3, 4), int))
    assert widget.mend.own_labels.isHidden() and not widget.mend.own_labels.others
    told = []
    monkeypatch.setattr(mend_commands, "show_info", told.append)
    mend_commands.own_labels()
    assert "lies on the result" in told[0]
    viewer.layers.remove(layer)
    viewer.add_labels(np.zeros(layer.data.shape, int))
    assert widget.mend.own_labels.isHidden()
