"""napari with the widget docked, as somebody sees it who has just installed it: for the docs' pictures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2_automask._napari import AutomaskWidget
from napari_sam2_automask._napari.common.camera import camera_of
from napari_sam2_automask._napari.common.memory import Store

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

#: Width of the dock in pixels, and the longest wait for a run in seconds.
WIDTH, LONGEST = 300, 600.0


def opened(sample: str, size: tuple[int, int]) -> tuple[napari.Viewer, AutomaskWidget]:
    """Open a sample in a window of a size (width, height), with the widget beside it."""
    viewer = napari.Viewer()
    viewer.window.resize(*size)
    layers = viewer.open_sample("napari-sam2-automask", sample)
    viewer.layers.remove(layers[1])  # the ground truth
    widget = AutomaskWidget(viewer, store=Store())
    dock = viewer.window.add_dock_widget(widget, name="SAM 2 AutoMask")
    dock.window().resizeDocks([dock], [WIDTH], Qt.Orientation.Horizontal)
    draw()
    viewer.reset_view()
    draw()
    return viewer, widget


def draw(seconds: float = 0.5) -> None:
    """Let the window draw itself."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_for_result(widget: AutomaskWidget) -> None:
    """Wait for the run that was begun; raises SystemExit if there is no result."""
    end = time.monotonic() + LONGEST
    while widget.running and time.monotonic() < end:
        draw(0.05)
    if widget.live.isHidden():
        raise SystemExit(f"no result: {widget.run_panel.status.text()}")
    draw(2.0)


def canvas_of(viewer: napari.Viewer) -> QWidget:
    """Return the widget on which the layers are drawn."""
    return viewer.window._qt_viewer.canvas.native


def on_canvas(viewer: napari.Viewer, y: float, x: float) -> QPoint:
    """Return where a point of the image is seen on the canvas, in its pixels."""
    canvas = canvas_of(viewer)
    camera = camera_of(viewer)
    middle, zoom = camera.center[-2:], camera.zoom
    return QPointF(
        canvas.width() / 2 + (x - middle[1]) * zoom, canvas.height() / 2 + (y - middle[0]) * zoom
    ).toPoint()


def drag(widget: QWidget, points: list[QPoint], *, pause: float = 0.05, seen: object = None) -> None:
    """Press the left button at the first point, move along the others, and let go at the last one.

    `seen`, if given, is called at each point with it.
    """
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mouseMove(widget, points[0])
    QTest.mousePress(widget, left, none, points[0])
    for point in points[1:]:
        move_held(widget, point)
        draw(pause)
        if callable(seen):
            seen(point)
    QTest.mouseRelease(widget, left, none, points[-1])


def move_held(widget: QWidget, point: QPoint) -> None:
    """Move the mouse with the left button held; QTest's own movement holds none."""
    from qtpy.QtGui import QMouseEvent

    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    at = QPointF(point)
    event = QMouseEvent(
        QMouseEvent.Type.MouseMove,
        at,
        QPointF(widget.mapToGlobal(point)),
        none,
        left,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(widget, event)
