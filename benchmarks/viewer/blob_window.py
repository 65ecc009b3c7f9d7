"""A window with a result of smooth blobs, in an image or a stack, without a model; for other benchmarks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

import napari
from candidate_factory import Blob, make_candidates
from napari_kit import dock, rows
from turns import Turns

from napari_sam2_automask import AmgSettings, Mends, paint, select
from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.geometry.placed import Placed, tight
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.stack.numbering import numbered_as

if TYPE_CHECKING:
    import argparse

    from napari.layers import Labels

    from napari_sam2_automask._napari.widget import AutomaskWidget
    from napari_sam2_automask.candidates.candidates import Candidates

__all__ = ["Window"]

BASE = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
START = BASE.replace(pred_iou_thresh=0.7)


def blobs(side: int, objects: int, seed: int) -> Candidates:
    """Return candidates of overlapping blobs of several sizes."""
    rng = np.random.default_rng(seed)
    radius = side / np.sqrt(objects) / 2
    found = []
    for _ in range(3 * objects):
        ry, rx = radius * np.exp(rng.normal(0, 0.4, 2))
        y, x = rng.uniform(0, side, 2)
        found.append(Blob(y, x, ry, rx, rng.uniform(0.5, 1), rng.uniform(6, 30)))
    return make_candidates((side, side), found, grid=256, settings=BASE, floor=Floor(0.5, 0.3))


class Segmenter:
    """Gives the same blobs for the same plane; asked for an object, a disc around the prompts."""

    def __init__(self, side: int, objects: int) -> None:
        self._side, self._objects = side, objects

    def found(self, number: int) -> Candidates:
        """Return the candidates of a plane whose pixels are this number at most."""
        return blobs(self._side, self._objects, number)

    def __call__(self, plane: Any, request: Any, progress: Any) -> PlaneResult:
        """Segment a plane."""
        candidates = self.found(int(plane.max()))
        painted = paint(select(candidates, request.settings), record={"settings": {}})
        given: dict[str, Any] = {"candidates": candidates, "attach": self.attach}
        if not request.source.other_axes:
            given = {"live": LiveSelection(candidates)}
            given["live"].prepare()
            self.attach(given["live"])
        return PlaneResult(painted.labels, painted.table, painted.record, {}, True, "cpu", **given)

    def attach(self, live: LiveSelection, read: Any = None) -> None:
        """Let the discs be asked for."""
        live.ask = self.ask

    def ask(self, points: Any, on: Any, box: Any, mask: Placed | None) -> tuple[Placed, float]:
        """Return a disc around the points on an object, without what lies around those beside it."""
        inside = [point for point, one in zip(points, on, strict=True) if one]
        if box is not None:
            inside = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)]
        y, x = np.mean(inside or [[0, 0]], 0)
        radius = 5 + max([float(np.hypot(py - y, px - x)) for py, px in inside], default=0)
        ys, xs = np.ogrid[: self._side, : self._side]
        disc = (ys - y) ** 2 + (xs - x) ** 2 <= radius**2
        for py, px in (point for point, one in zip(points, on, strict=True) if not one):
            disc &= (ys - py) ** 2 + (xs - px) ** 2 > 9
        if mask is not None:
            disc[mask.window] |= mask.mask
        rows, columns = tight(disc)
        return Placed.at(rows.start, columns.start, disc[rows, columns]), 0.9


class Window(Turns):
    """A window with a result that follows; `layer` is its labels."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self.side, self.planes = options.side, options.planes
        self.segmenter = Segmenter(options.side, options.objects)
        self.viewer = napari.Viewer()
        image = np.arange(1, self.planes + 1, dtype=np.uint8)[:, None, None]
        image = np.repeat(np.repeat(image, self.side, 1), self.side, 2)
        self.viewer.add_image(image if self.planes > 1 else image[0], name="image", rgb=False)
        if self.planes > 1:
            self.viewer.dims.set_current_step(0, 0)
        self.widget: AutomaskWidget = dock(self.viewer, self.segmenter)
        self.widget.form.show(START)
        if self.planes > 1:
            images = self.widget.images
            images.planes.combo.setCurrentIndex(1)
            images.link_combo.setCurrentIndex(images.link_combo.findData(options.link))
        self.kind = "run"
        self.widget.run()
        self.until(lambda: not self.widget.running and self.widget.live.live_layer is not None)
        self.layer: Labels = self.widget.live.live_layer.layer
        self.settle()

    @property
    def shown(self) -> np.ndarray:
        """The labels of the plane that is shown."""
        data = np.asarray(self.layer.data)
        return data[self.viewer.dims.current_step[0]] if self.planes > 1 else data

    def settle(self) -> None:
        """Wait until all that was asked for shows, in all planes."""
        live, planes = self.widget.live, self.widget.following.planes
        asking, links = self.widget.mend.canvas.asking, self.widget.result.links.relinking

        def shows() -> bool:
            going_on = live.work.busy or live._edits._timer.isActive() or asking.busy or links._stacks
            return not (going_on or planes.busy or planes._looking) and live.live_layer is not None

        self.wait(0.09)  # what was painted is looked for after a moment
        self.until(shows)

    def is_that_of_a_replay(self) -> bool:
        """Tell whether doing the steps of the record again gives the labels of each plane."""
        self.rest()
        follower = self.widget.live.live_layer
        if self.planes == 1:
            again = Mends(self.segmenter.found(1), START)
            told = json.loads(json.dumps(follower.mends.to_json()))
            again.replay(**told)
            return bool(np.array_equal(again.labels, self.layer.data))
        record = self.layer.metadata[RECORD_KEY] | {"format": "napari-sam2-automask record"}
        same = []
        for k, plane in enumerate(Record.of(json.loads(json.dumps(record))).each_plane):
            again = Mends(self.segmenter.found(k + 1), START if plane.mends is None else plane.mends.settings)
            if plane.mends is None:
                again.settle(plane.settings if plane.settings != AmgSettings() else START)
            else:
                again.replay(plane.mends.steps, plane.mends.used)
            same.append(np.array_equal(numbered_as(again.labels, plane.numbers), self.layer.data[k]))
        return all(same)

    def rest(self) -> None:
        """Wait until table and record fit."""
        self.settle()
        self.widget.live.settled.emit(self.widget.live.shown)
        self.until(lambda: not self.widget.following._making)

    def has_its_table(self) -> bool:
        """Tell whether the table has a row for each object that shows, and no other."""
        self.rest()
        return set(rows(self.layer)["index"]) == set(np.unique(self.layer.data).tolist()) - {0}
