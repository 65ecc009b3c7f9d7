"""What the tests of the widget share: a segmenter that obeys the test, and the widget around it."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pandas as pd
from candidate_factory import random_candidates
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

from napari_sam2_automask import AmgSettings, paint, select
from napari_sam2_automask._napari.common.memory import Store
from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask._napari.widget import AutomaskWidget
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.progress import Cancelled, Progress

POINTS = 20
#: Few points and no filters: a network with random weights finds something at once.
QUICK = {
    "points_per_side": 3,
    "pred_iou_thresh": 0.0,
    "stability_score_thresh": 0.0,
    "prompts": "grid",
    "fit_objects": False,
    "renderings": "raw",
}


class ObedientSegmenter:
    """Labels the pixels above 0 in quarters of the plane, step by step, as slowly as the test wants.

    Attributes
    ----------
    requests : list
        Every request received.
    error : BaseException or None
        Raised in the middle, once.
    open : threading.Event
        While it is not set, a run stays half done and reports progress until it is cancelled.
    threads : set of str
        The names of the threads that it was called on.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.error: BaseException | None = None
        self.open = threading.Event()
        self.open.set()
        self.threads: set[str] = set()

    def __call__(self, plane: np.ndarray, request: Any, progress: Any) -> PlaneResult:
        self.requests.append(request)
        self.threads.add(threading.current_thread().name)
        done = 0
        try:
            progress(Progress("encoder", 0, 1))
            for done in range(1, POINTS + 1):
                progress(Progress("points", done, POINTS))
                if done == POINTS // 2:
                    self._pause(progress, done)
        except Cancelled:
            if done < POINTS // 2:
                raise
            return _result(plane, request, 2, complete=False)
        return _result(plane, request, 4)

    def _pause(self, progress: Any, done: int) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        deadline = time.monotonic() + 20
        while not self.open.wait(0.005):
            assert time.monotonic() < deadline, "the test forgot this run"
            progress(Progress("points", done, POINTS))


class Watcher(ObedientSegmenter):
    """Remembers the planes that it was given."""

    def __init__(self):
        super().__init__()
        self.planes = []

    def __call__(self, plane, request, progress):
        self.planes.append(np.array(plane))
        return super().__call__(plane, request, progress)


def _result(plane: np.ndarray, request: Any, objects: int, complete: bool = True) -> PlaneResult:
    bright = (plane if plane.ndim == 2 else plane[..., :3].max(-1)) > 0
    rows, columns = bright.shape
    quarter = 1 + 2 * (np.arange(rows) >= rows / 2)[:, None] + (np.arange(columns) >= columns / 2)
    labels = np.where(bright & (quarter <= objects), quarter, 0).astype(np.uint16)
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    table = pd.DataFrame({"index": ids.astype(np.int64), "predicted_iou": 0.9 - ids / 100, "area": areas})
    record = {
        "settings": request.settings.to_json(),
        "preset": request.preset,
        "model": {"name": request.model},
    }
    removed = {"predicted IoU": 7, "stability": 0, "box NMS": 12}
    return PlaneResult(labels, table, record, removed, complete, "cpu")


def dock(viewer: Any, segmenter: Any = None, store: Store | None = None) -> AutomaskWidget:
    """Put the widget into a viewer."""
    widget = AutomaskWidget(viewer, segmenter=segmenter or ObedientSegmenter(), store=store or Store())
    viewer.window.add_dock_widget(widget, name="SAM 2 AutoMask")
    return widget


def labels_of(viewer: Any) -> list[Labels]:
    """Return the viewer's Labels layers."""
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def copied(button: Any) -> str:
    """Press a button and return what is on the clipboard then."""
    button.click()
    return QApplication.clipboard().text()


def finish(qtbot: Any, widget: AutomaskWidget, timeout: int = 60_000) -> None:
    """Wait until the run has ended and its result is in the viewer."""
    qtbot.waitUntil(lambda: not widget.running, timeout=timeout)


def run(qtbot: Any, widget: AutomaskWidget) -> None:
    """Press Run and wait for the end."""
    widget.run_panel.button.click()
    assert widget.running, widget.run_panel.status.text()
    finish(qtbot, widget)


def half_way(qtbot: Any, widget: AutomaskWidget) -> None:
    """Press Run and wait until half of the points are done; needs a closed segmenter."""
    widget.run_panel.button.click()
    qtbot.waitUntil(lambda: widget.run_panel.bar.value() == POINTS // 2, timeout=60_000)


LOW = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
SHAPE = (80, 100)


class BlobSegmenter:
    """Finds the same blobs in every image, with room below the thresholds."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, plane, request, progress):
        self.runs += 1
        own = LOW.replace(points_per_side=request.settings.points_per_side)
        candidates = random_candidates(SHAPE, 60, seed=2, settings=own)
        live = LiveSelection(candidates)
        live.prepare()
        painted = paint(select(candidates, request.settings), record={"settings": {}})
        return PlaneResult(painted.labels, painted.table, painted.record, {}, True, "cpu", live)


def rows(layer: Labels) -> pd.DataFrame:
    """Return the rows of objects of a layer's features."""
    return objects_of(layer.features)


def live_result(
    viewer: Any, qtbot: Any, segmenter: Any = None, store: Store | None = None
) -> tuple[AutomaskWidget, Labels]:
    """Run once; return the widget, and the layer that follows its sliders."""
    viewer.add_image(np.random.default_rng(0).random(SHAPE), name="cells")
    widget = dock(viewer, segmenter or BlobSegmenter(), store)
    widget.form.show(LOW.replace(pred_iou_thresh=0.7))
    assert widget.live.isHidden()
    run(qtbot, widget)
    assert not widget.live.isHidden()
    return widget, viewer.layers[-1]


def settled(qtbot, widget):
    """Wait until all that was asked for is done, and told in table and record."""
    qtbot.waitUntil(lambda: not widget.live.work.busy and not widget.live.unsettled)
    qtbot.waitUntil(lambda: not widget.following.tables.busy)


def move(qtbot: Any, widget: AutomaskWidget, name: str, value: Any) -> None:
    """Move a slider as a person does, and wait until the labels have followed."""
    widget.form.widgets[name].value = value
    qtbot.waitUntil(lambda: widget.live.shown == widget.form.settings, timeout=60_000)
