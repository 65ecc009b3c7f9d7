"""Clicks hit the pixel that is seen there, wherever and however a layer lies in the world."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from napari_kit import LOW, SHAPE, BlobSegmenter, dock, run, settled

from napari_sam2_automask._napari.common.camera import camera_of
from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.live.current_table import current_table
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.geometry.placed import Placed
from napari_sam2_automask.mending.actions import Add, made

SCALE, TRANSLATE, ROTATE = (0.5, 0.25), (100.0, -40.0), 30.0


def world(point, steps=(1, 1)):
    """Return where a pixel of a level lies, as napari defines scale, rotation and translation."""
    full = (np.asarray(point, float) + 0.5) * steps - 0.5
    c, s = np.cos(np.deg2rad(ROTATE)), np.sin(np.deg2rad(ROTATE))
    return np.array([[c, -s], [s, c]]) @ (np.array(SCALE) * full) + TRANSLATE


class Place:
    """A result in its place, with a person at the mouse."""

    def __init__(self, viewer, qtbot, widget, steps, in_window):
        self.viewer, self.qtbot, self.widget, self.steps = viewer, qtbot, widget, steps
        self.in_window = in_window
        self.layer = widget.live.live_layer.layer

    def world(self, point):
        return world(point, self.steps)

    def event(self, kind, point, keys=()):
        return SimpleNamespace(
            type=kind,
            button=1,
            modifiers=list(keys),
            position=tuple(self.world(point)),
            handled=False,
            is_dragging=False,
        )

    def drag(self, *points, keys=()):
        event = self.event("mouse_press", points[0], keys)
        mouse_press_callbacks(self.layer, event)
        event.is_dragging = True
        for point in points[1:]:
            event.type, event.position = "mouse_move", tuple(self.world(point))
            mouse_move_callbacks(self.layer, event)
        event.type = "mouse_release"
        mouse_release_callbacks(self.layer, event)

    def done(self, act):
        with self.qtbot.waitSignal(self.widget.live.mended) as told:
            act()
        return told.args[0]

    def undo(self):
        self.done(self.widget.live.undo_last)

    def largest(self):
        return int(np.bincount(self.layer.data.ravel())[1:].argmax()) + 1

    def inside(self, label):
        from scipy import ndimage

        depth = ndimage.distance_transform_edt(np.pad(self.layer.data == label, 1))[1:-1, 1:-1]
        return tuple(int(n) for n in np.unravel_index(depth.argmax(), depth.shape))

    def seen(self, outlines):
        """Return the corners of an outline in the world, (N, 2), as the viewer draws it."""
        line = outlines.line
        drawn = line.get_transform("visual", "scene").map(line.pos)[:, :2]
        return self.of_view(drawn[:, ::-1])

    def of_view(self, points):
        """Return places in the world of places in the view, whose axes may be swapped."""
        return np.asarray(points)[..., list(self.viewer.dims.displayed)]

    def around(self, mask, y0=0, x0=0):
        """Return the corners of the pixels at the edge of a mask in the world, sorted."""
        mask = np.pad(np.asarray(mask, int), 1)
        corners = set()
        for axis, (dy, dx) in ((0, (1, 0)), (1, (0, 1))):
            for y, x in np.argwhere(np.diff(mask, axis=axis) != 0):
                first = y + dy / 2, x + dx / 2
                corners |= {(first[0] - dx / 2, first[1] - dy / 2), (first[0] + dx / 2, first[1] + dy / 2)}
        return np.array([self.world((y - 1 + y0, x - 1 + x0)) for y, x in sorted(corners)])


def same_places(one, other):
    one, other = (np.unique(np.round(points, 3), axis=0) for points in (one, other))
    assert one.shape == other.shape
    np.testing.assert_allclose(one, other, atol=5e-3)


#: How much larger the image is than the region in it that is segmented, and where the region begins.
BEYOND, CORNER = (20, 20), (6, 9)


@pytest.fixture(params=["pyramid", "turned", "turned later", "region"])
def place(request, viewer, qtbot):
    kind, steps, where = request.param, (1, 1), {"scale": SCALE, "translate": TRANSLATE, "rotate": ROTATE}
    shape = {"turned": SHAPE[::-1], "region": tuple(np.add(SHAPE, BEYOND))}.get(kind, SHAPE)
    if kind == "pyramid":
        steps = (2, 2)
        full = np.random.default_rng(0).random(tuple(2 * n for n in shape))
        viewer.add_image([full, full[::2, ::2]], multiscale=True, name="cells", **where)
    else:
        viewer.add_image(np.random.default_rng(0).random(shape), name="cells", **where)
    if kind == "turned":
        viewer.dims.order = (1, 0)
    widget = dock(viewer, BlobSegmenter())
    widget.images.level_choice.setCurrentIndex(widget.images.level_choice.count() - 1)
    widget.images._on_level()
    if kind == "region":
        inside = np.pad(np.ones(SHAPE, int), [(CORNER[k], BEYOND[k] - CORNER[k]) for k in (0, 1)])
        viewer.add_labels(inside, **where)
        widget.images.where.setCurrentIndex(2)
        widget.images.layer_choice.choose(viewer.layers["cells"])
    widget.form.show(LOW.replace(pred_iou_thresh=0.7))
    run(qtbot, widget)
    if kind == "turned later":
        viewer.dims.order = (1, 0)
    in_window = {
        "turned": lambda y, x: (x, y),
        "region": lambda y, x: (y - CORNER[0], x - CORNER[1]),
    }.get(kind, lambda y, x: (y, x))
    return Place(viewer, qtbot, widget, steps, in_window)


def test_clicks_strokes_boxes_and_outlines_are_where_they_are_seen(place, qtbot):
    widget, layer, canvas = place.widget, place.layer, place.widget.mend.canvas
    label = place.largest()
    point = place.inside(label)
    whole = layer.data == label
    # A click removes what lies under it.
    widget.mend.take("remove")
    place.done(lambda: place.drag(point))
    assert not layer.data[whole].any()
    place.undo()
    # A stroke splits what it crosses.
    widget.mend.take("split")
    columns = np.flatnonzero(whole[point[0]])
    stroke = [(point[0], columns[0] - 3), point, (point[0], columns[-1] + 3)]
    told = place.done(lambda: place.drag(*stroke))
    assert label in told.labels and np.isin(layer.data[whole], told.labels).all()
    place.undo()
    # What is coming is outlined where it will be.
    widget.mend.take("add")
    mends, spots = widget.live.live_layer.mends, np.argwhere(layer.data == 0)[::37]
    spot = next(tuple(spot) for spot in spots.tolist() if _addable(mends, place.in_window(*spot)))
    mouse_move_callbacks(layer, place.event("mouse_move", spot))
    coming = canvas._previews._coming
    qtbot.waitUntil(lambda: coming.line is not None)
    drawn = place.seen(coming)
    done = place.done(lambda: place.drag(spot))
    same_places(drawn, place.around(layer.data == done.labels[0]))
    place.undo()
    # A box is that of the picture that the model is asked in, and so is the answer.
    asked = []

    def ask(points, on, box, mask):
        asked.append(box)
        y, x = place.in_window(20, 30)
        shape = (4, 9) if place.in_window(2, 1) > place.in_window(1, 2) else (9, 4)
        return Placed.at(y, x, np.ones(shape, bool)), 0.9

    widget.live.live_layer.live.ask = ask
    widget.mend.take("ask")
    place.drag((15, 25), (22, 33), (26, 38))
    qtbot.waitUntil(lambda: canvas.asking.placed is not None)
    np.testing.assert_allclose(asked, [(*place.in_window(15, 25), *place.in_window(26, 38))], atol=1e-6)
    same_places(place.seen(canvas._previews._coming), place.around(np.ones((4, 9)), 20, 30))
    canvas.give_up()
    # A row shows its object, in the table and in napari's own; an object that is chosen has an outline.
    widget.mend.take("")
    settled(qtbot, widget)  # a table that is told anew is sorted anew
    table = widget.result.table
    qtbot.waitUntil(lambda: label in table.model.labels)
    y, x = np.nonzero(layer.data == label)
    middle = place.world(((y.min() + y.max()) / 2, (x.min() + x.max()) / 2))
    camera = camera_of(place.viewer)
    row = table.model.labels.index(label)
    for select in (
        lambda: table.choose_row(row),
        lambda: setattr(layer, "selected_label", label),
    ):
        layer.selected_label, camera.center = 0, (0, 0, 0)
        select()
        np.testing.assert_allclose(place.of_view(camera.center[-2:]), middle, atol=1e-6)
    chosen = canvas._previews._chosen
    qtbot.waitUntil(lambda: chosen.line is not None)
    same_places(place.seen(chosen), place.around(layer.data == label))
    # Saved when it is followed no more: nobody edited anything.
    settled(qtbot, widget)
    known = objects_of(layer.features)
    assert "edited" not in known and known["predicted_iou"].notna().all()
    widget.following.end()
    data, meta, _ = layer.as_layer_data_tuple()
    pd.testing.assert_frame_equal(current_table(data, meta), known)


def _addable(mends, spot):
    try:
        return bool(mends.preview(made(Add, point=tuple(spot))))
    except MendError:
        return False
