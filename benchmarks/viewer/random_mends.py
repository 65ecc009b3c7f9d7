"""Random mends in a window: actions with undo and redo by clicks, strokes, brush, table, sliders and planes.

    xvfb-run -a python benchmarks/viewer/random_mends.py [--actions 500] [--side 1024] [--planes 1]

Says whether the labels are those of a replay of the record (byte for byte, in each plane of a stack), how
much memory the process takes after every fifth of the actions, and how long the window's thread was busy in
one go: by its own time, which is what it would be on an idle machine, and by the clock. Candidates are made
of smooth blobs without a model.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kits"))

import napari
from candidate_factory import Blob, make_candidates
from napari_kit import dock
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

from napari_sam2_automask import AmgSettings, Mends, paint, select
from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.painting.live import LiveSelection
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.stack.numbering import numbered_as

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from napari_sam2_automask._napari.widget import AutomaskWidget
    from napari_sam2_automask.candidates.candidates import Candidates

BASE = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.3)
START = BASE.replace(pred_iou_thresh=0.7)
KINDS = {
    "add": 5, "remove": 4, "merge": 4, "split": 5, "parts": 4, "whole": 4, "grow": 3, "shrink": 3, "lock": 3,
    "release": 2, "brush": 4, "fill": 2, "erase": 2, "replace": 1, "slider": 6, "table": 3, "undo": 10,
    "redo": 6, "plane": 3,
}  # fmt: skip


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
    """Gives the same blobs for the same plane."""

    def __init__(self, side: int, objects: int) -> None:
        self._side, self._objects = side, objects

    def found(self, number: int) -> Candidates:
        """Return the candidates of a plane whose pixels are this number at most."""
        return blobs(self._side, self._objects, number)

    def __call__(self, plane: Any, request: Any, progress: Any) -> PlaneResult:
        """Segment a plane."""
        candidates = self.found(int(plane.max()))
        painted = paint(select(candidates, request.settings), record={"settings": {}})
        given: dict[str, Any] = {"candidates": candidates}
        if not request.source.other_axes:
            given = {"live": LiveSelection(candidates)}
            given["live"].prepare()
        return PlaneResult(painted.labels, painted.table, painted.record, {}, True, "cpu", **given)


class Session:
    """Random actions in the window, and how long its thread was busy in one go."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.rng = np.random.default_rng(options.seed)
        self.side, self.planes = options.side, options.planes
        self.own: list[tuple[float, str]] = []
        self.wall: list[tuple[float, str]] = []
        self.segmenter = Segmenter(options.side, options.objects)
        self.viewer = napari.Viewer()
        image = np.arange(1, self.planes + 1, dtype=np.uint8)[:, None, None]
        image = np.repeat(np.repeat(image, self.side, 1), self.side, 2)
        self.viewer.add_image(image if self.planes > 1 else image[0], name="image")
        if self.planes > 1:
            self.viewer.dims.set_current_step(0, 0)
        self.widget: AutomaskWidget = dock(self.viewer, self.segmenter)
        self.widget.form.show(START)
        if self.planes > 1:
            self.widget.images.planes.combo.setCurrentIndex(1)
        self.kind = "run"
        self.widget.run()
        self.until(lambda: not self.widget.running and self.widget.live.live_layer is not None)
        self.layer: Labels = self.widget.live.live_layer.layer
        self.settle()

    @property
    def shown(self) -> np.ndarray:
        """The labels of the plane that is shown."""
        return np.asarray(
            self.layer.data[self.viewer.dims.current_step[0]] if self.planes > 1 else self.layer.data
        )

    def timed(self, step: Callable[[], Any]) -> None:
        """Do something on the window's thread, and note how long it took."""
        own, wall = time.thread_time(), time.perf_counter()
        step()
        self.own.append((1e3 * (time.thread_time() - own), self.kind))
        self.wall.append((1e3 * (time.perf_counter() - wall), self.kind))

    def until(self, there: Callable[[], bool], seconds: float = 120) -> None:
        """Let the window do what there is to do until something holds."""
        deadline = time.monotonic() + seconds
        while not there():
            assert time.monotonic() < deadline, f"waited too long after {self.kind}"
            self.timed(lambda: QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 1))
            time.sleep(0.001)

    def settle(self) -> None:
        """Wait until all that was asked for shows."""
        end = time.monotonic() + 0.09  # what was painted is looked for after a moment
        self.until(lambda: time.monotonic() > end)
        self.until(lambda: not self.widget.live.work.busy and self.widget.live.live_layer is not None)

    def act(self) -> str:
        """Do something, and return what."""
        kinds = [kind for kind in KINDS if kind != "plane" or self.planes > 1]
        weights = np.array([KINDS[kind] for kind in kinds], float)
        self.kind = kind = str(self.rng.choice(kinds, p=weights / weights.sum()))
        self.timed(lambda: getattr(self, f"_{kind}", lambda: self._click(kind))())
        self.settle()
        return kind

    # -- what a person does

    def _point(self, on: bool) -> tuple[float, float]:
        labels = self.shown
        for _ in range(200):
            y, x = self.rng.integers(0, self.side, 2).tolist()
            if bool(labels[y, x]) == on:
                break
        return float(y), float(x)

    def _label(self) -> int:
        y, x = self._point(True)
        return int(self.shown[int(y), int(x)])

    def _click(self, tool: str) -> None:
        self.widget.mend.take(tool)
        self.widget.mend.canvas.click(self._point(tool != "add"))

    def _merge(self) -> None:
        self.widget.mend.take("merge")
        y, x = self._point(True)
        self.widget.mend.canvas.click((y, x))
        ring = [(y + dy, x + dx) for dy in (-40, 0, 40) for dx in (-40, 0, 40)]
        mine = self.shown[int(y), int(x)]
        for other in ring:
            label = self.widget.mend.canvas.label_at(other)
            if label not in (0, mine):
                self.widget.mend.canvas.click(other)
                return

    def _split(self) -> None:
        self.widget.mend.take("split")
        y, x = self._point(True)
        angle, far = self.rng.uniform(0, np.pi), 60
        step = np.array([np.sin(angle), np.cos(angle)]) * far
        line = [tuple((np.array([y, x]) + t * step).tolist()) for t in np.linspace(-1, 1, 20)]
        self.widget.mend.canvas.draw(line)

    def _lock(self) -> None:
        label = self._label()
        if label:
            self.widget.mend.canvas.choose(label)
            self.widget.mend.canvas.lock()

    def _release(self) -> None:
        kept = sorted(self.widget.live.live_layer.shows.kept)
        if kept:
            label = int(self.rng.choice(kept))
            self.widget.live.mend(lambda mends: mends.release(label))

    def _brush(self) -> None:
        self.widget.mend.take("brush")
        self.layer.brush_size = 12
        y, x = self._point(False)
        for k in range(8):
            self._dab(y + 3 * k, x + 4 * k, self.layer.selected_label)

    def _erase(self) -> None:
        y, x = self._point(True)
        self.layer.brush_size = 15
        self._dab(y, x, 0)

    def _fill(self) -> None:
        y, x = self._point(True)
        self.layer.fill(self._at(y, x), self.widget.live.live_layer.shows.next_label)

    def _dab(self, y: float, x: float, label: int) -> None:
        inside = min(max(y, 0), self.side - 1), min(max(x, 0), self.side - 1)
        self.layer.paint(self._at(*inside), label)

    def _at(self, y: float, x: float) -> tuple[float, ...]:
        return (self.viewer.dims.current_step[0], y, x) if self.planes > 1 else (y, x)

    def _replace(self) -> None:
        data = self.layer.data.copy()
        label = self._label()
        data[data == label] = 0
        self.layer.data = data

    def _slider(self) -> None:
        name, low, high = [
            ("pred_iou_thresh", 0.5, 0.95),
            ("stability_score_thresh", 0.3, 0.95),
            ("granularity", 0.0, 1.0),
        ][int(self.rng.integers(3))]
        value = round(float(self.rng.uniform(low, high)), 3)
        self.widget.live.sliders.wanted.emit({name: value})

    def _table(self) -> None:
        self.widget.result.table.go(1)
        self.widget.result.table.accept.click()

    def _undo(self) -> None:
        self.widget.live.undo_last()

    def _redo(self) -> None:
        self.widget.live.redo_last()

    def _plane(self) -> None:
        self.viewer.dims.set_current_step(0, int(self.rng.integers(self.planes)))

    # -- what came of it

    def is_that_of_a_replay(self) -> bool:
        """Tell whether doing the steps of the record again gives the labels of each plane."""
        follower = self.widget.live.live_layer
        if self.planes == 1:
            again = Mends(self.segmenter.found(1), START)
            told = json.loads(json.dumps(follower.mends.to_json()))
            again.replay(**told)
            return bool(np.array_equal(again.labels, self.layer.data))
        self.widget.live.settled.emit(self.widget.live.shown)
        self.until(lambda: not self.widget.following._making)
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


def memory() -> float:
    """Return the memory of this process, in MB."""
    text = Path("/proc/self/statm").read_text()
    return int(text.split()[1]) * 4096 / 1e6


def told(times: list[tuple[float, str]], what: str) -> None:
    """Print how long the window's thread was busy in one go."""
    values = np.array([ms for ms, _ in times])
    worst = sorted(times, reverse=True)[:8]
    print(
        f"{what:>12}: 99 % under {np.percentile(values, 99):5.1f} ms, {int((values > 50).sum())} of "
        f"{len(values):,} above 50 ms, longest {', '.join(f'{ms:.0f} ({kind})' for ms, kind in worst)}"
    )


def main() -> None:
    """Do it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--planes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    session = Session(options)
    session.own.clear()
    session.wall.clear()
    done: Counter[str] = Counter()
    sizes = [memory()]
    begun = time.perf_counter()
    for number in range(1, options.actions + 1):
        done[session.act()] += 1
        if number % max(1, options.actions // 5) == 0:
            sizes.append(memory())
    seconds = time.perf_counter() - begun
    follower = session.widget.live.live_layer
    print(
        f"{options.actions} actions in {seconds:.0f} s, {options.side} x {options.side}, {options.planes} "
        f"plane(s), {len(follower.candidates):,} candidates in each; {len(follower.shows.steps)} steps count "
        "in the plane shown"
    )
    print(", ".join(f"{kind} {count}" for kind, count in done.most_common()))
    print(f"the labels are those of a replay: {session.is_that_of_a_replay()}")
    told_sizes = ", ".join(f"{size:,.0f}" for size in sizes)
    print(f"memory, MB: {told_sizes}; history {follower.mends.nbytes / 1e6:.1f} MB")
    told(session.own, "own time")
    told(session.wall, "by the clock")
    session.widget.shut_down()
    session.viewer.close()


if __name__ == "__main__":
    main()
