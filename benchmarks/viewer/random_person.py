"""A person who mends at random, with every tool there is; for other benchmarks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask._napari.mend.canvas import LOOKED_AT

if TYPE_CHECKING:
    from blob_window import Window

    Point = tuple[float, float]

__all__ = ["Person"]

#: What is done, and how often; the second part only in a stack, the third only in a linked one.
KINDS = {
    "add": 5, "remove": 4, "merge": 4, "split": 5, "seeds": 2, "parts": 4, "whole": 4, "grow": 3, "shrink": 3,
    "lock": 3, "release": 2, "release_all": 0.5, "pick": 2, "ask": 3, "box": 2, "scribble": 2, "reshape": 2,
    "give_up": 1, "brush": 4, "over": 2, "polygon": 2, "fill": 2, "erase": 2, "napari_undo": 1, "replace": 1,
    "slider": 6, "before": 1, "accept": 3, "rows": 3, "undo": 12, "redo": 7,
}  # fmt: skip
IN_STACK = {"plane": 4, "through": 3, "everywhere": 1}
IN_LINKED = {"cut": 2, "join": 2, "divide": 2, "link": 1}


class Person:
    """Does something at random in a window."""

    def __init__(self, window: Window, seed: int, *, linked: bool) -> None:
        self.rng, self.window = np.random.default_rng(seed), window
        self.widget, self.viewer, self.layer = window.widget, window.viewer, window.layer
        self.live, self.mend, self.canvas = self.widget.live, self.widget.mend, self.widget.mend.canvas
        self.side, self.planes, self.do = window.side, window.planes, window.do
        kinds = {**KINDS, **(IN_STACK if self.planes > 1 else {}), **(IN_LINKED if linked else {})}
        self._kinds, weights = list(kinds), np.array(list(kinds.values()), float)
        self._chances = weights / weights.sum()

    def act(self) -> str:
        """Do something, wait until it shows, and return what it was."""
        self.window.kind = kind = str(self.rng.choice(self._kinds, p=self._chances))
        getattr(self, f"_{kind}", lambda: self._click(kind))()
        self.window.settle()
        return kind

    # -- places

    def _point(self, on: bool) -> Point:
        labels = self.window.shown
        for _ in range(200):
            y, x = self.rng.integers(0, self.side, 2).tolist()
            if bool(labels[y, x]) == on:
                break
        return float(y), float(x)

    def _label(self) -> int:
        return self.canvas.label_at(self._point(True))

    def _at(self, y: float, x: float) -> tuple[float, ...]:
        y, x = (min(max(one, 0), self.side - 1) for one in (y, x))
        return (self.viewer.dims.current_step[0], y, x) if self.planes > 1 else (y, x)

    def _around(self, point: Point, far: int = 40) -> list[Point]:
        """Return points of other objects around one."""
        mine, (y, x) = self.canvas.label_at(point), point
        ring = [(y + dy, x + dx) for dy in (-far, 0, far) for dx in (-far, 0, far)]
        return [one for one in ring if self.canvas.label_at(one) not in (0, mine)]

    def _line(self, point: Point, far: float) -> list[Point]:
        angle = self.rng.uniform(0, np.pi)
        step = np.array([np.sin(angle), np.cos(angle)]) * far
        line = [(np.array(point) + t * step).tolist() for t in np.linspace(-1, 1, 20)]
        return [(float(y), float(x)) for y, x in line]

    # -- clicks and strokes

    def _take(self, tool: str) -> None:
        self.do(lambda: self.mend.take(tool))

    def _press(self, point: Point, *keys: str) -> None:
        if self.canvas.tool in LOOKED_AT:
            event = SimpleNamespace(position=self._at(*point))
            self.do(lambda: self.canvas._on_move(self.layer, event))
            self.window.turn()
        self.do(lambda: self.canvas.click(point, set(keys)))

    def _click(self, tool: str) -> None:
        self._take(tool)
        keys = ["Shift"] if tool in ("grow", "shrink") and self.rng.random() < 0.3 else []
        self._press(self._point(tool != "add"), *keys)

    def _merge(self) -> None:
        self._take("merge")
        point = self._point(True)
        self._press(point)
        for other in self._around(point)[:1]:
            self._press(other)

    def _split(self) -> None:
        self._take("split")
        line = self._line(self._point(True), 60)
        self.do(lambda: self.canvas.draw(line))

    def _seeds(self) -> None:
        self._take("split")
        (y, x) = self._point(True)
        mine = self.canvas.label_at((y, x))
        others = [(y + dy, x + dx) for dy in (-9, 0, 9) for dx in (-9, 0, 9) if dy or dx]
        self._press((y, x))
        for other in [one for one in others if self.canvas.label_at(one) == mine][:2]:
            self._press(other)
        self.do(self.canvas.apply)

    # -- asking the model

    def _answer(self) -> None:
        self.window.until(lambda: not self.canvas.asking.busy)

    def _ask(self) -> None:
        self._take("ask")
        y, x = self._point(False)
        self._press((y, x))
        for keys, far in (((), 8), (("Shift",), 5)):
            if self.rng.random() < 0.5:
                self._press((min(y + far, self.side - 1), x), *keys)
                self._answer()
        self._answer()
        self.do(self.canvas.apply)

    def _reshape(self) -> None:
        self._take("ask")
        self._press(self._point(True))
        self._answer()
        self.do(self.canvas.apply)

    def _box(self) -> None:
        self._take("ask")
        y, x = self._point(False)
        self.do(lambda: self.canvas.draw([(y, x), (y - 20, x - 25)]))
        self._answer()
        self.do(self.canvas.apply)

    def _scribble(self) -> None:
        self._take("ask")
        line = self._line(self._point(False), 12)
        self.do(lambda: self.canvas.draw(line, {"Alt"}))
        self._answer()
        self.do(self.canvas.apply)

    def _give_up(self) -> None:
        self._take("ask")
        self._press(self._point(False))
        self.do(self.mend.leave)

    # -- locks

    def _lock(self) -> None:
        self._choose()
        self.do(self.canvas.lock)

    def _choose(self) -> None:
        """Choose one object, or some."""
        point = self._point(True)
        count = int(self.rng.integers(1, 4))
        labels = {self.canvas.label_at(one): None for one in (point, *self._around(point))}
        chosen = [label for label in labels if label][:count]
        self.do(lambda: self.canvas.choose(*chosen))

    def _release(self) -> None:
        if kept := sorted(self.live.live_layer.shows.kept):
            label = int(self.rng.choice(kept))
            self.do(lambda: self.live.mend(lambda mends: mends.release(label)))

    def _release_all(self) -> None:
        self.do(self.mend.release.click)

    def _pick(self) -> None:
        label, good = self._label(), self.rng.random() < 0.7
        self.do(lambda: self.widget.tuning.picking.pick(label, good=good))

    # -- napari's own tools

    def _stroke(self, y: float, x: float, label: int, size: int) -> None:
        self.layer.brush_size = size
        with self.layer.block_history():  # as napari does while the button is held
            for k in range(6):
                at = self._at(y + 3 * k, x + 4 * k)
                self.do(lambda at=at: self.layer.paint(at, label))
                self.window.turn()

    def _brush(self) -> None:
        self._take("brush")
        self._stroke(*self._point(False), self.layer.selected_label, 12)

    def _over(self) -> None:
        """Paint with a number that is there already, in a stack perhaps in another plane."""
        numbers = np.unique(self.layer.data)[1:]
        if len(numbers):
            self._stroke(*self._point(False), int(self.rng.choice(numbers)), 10)

    def _erase(self) -> None:
        self._stroke(*self._point(True), 0, 9)

    def _polygon(self) -> None:
        y, x = self._point(False)
        corners = [self._at(y + dy, x + dx) for dy, dx in ((0, 0), (25, 5), (20, 30), (-5, 22))]
        label = self.live.live_layer.shows.next_label
        self.do(lambda: self.layer.paint_polygon(corners, label))

    def _fill(self) -> None:
        at, label = self._at(*self._point(True)), self.live.live_layer.shows.next_label
        self.do(lambda: self.layer.fill(at, label))

    def _napari_undo(self) -> None:
        self.do(self.layer.undo)

    def _replace(self) -> None:
        data, label = self.layer.data.copy(), self._label()
        data[data == label] = 0
        self.do(lambda: setattr(self.layer, "data", data))

    # -- the panel

    def _slider(self) -> None:
        name, low, high = [
            ("pred_iou_thresh", 0.5, 0.95),
            ("stability_score_thresh", 0.3, 0.95),
            ("granularity", 0.0, 1.0),
            ("min_area", 0.0, 400.0),
        ][int(self.rng.integers(4))]
        value = float(self.rng.uniform(low, high))
        wanted = {name: round(value) if name == "min_area" else round(value, 3)}
        self.do(lambda: self.live.sliders.wanted.emit(wanted))

    def _before(self) -> None:
        self.do(self.live.before.click)

    def _accept(self) -> None:
        table = self.widget.result.table
        self.do(lambda: table.go(1))
        self.do(table.accept.click)

    def _rows(self) -> None:
        """Remove or merge the objects of several rows."""
        table = self.widget.result.table
        self._choose()
        button = table.merge if self.rng.random() < 0.5 else table.remove
        self.do(button.click)

    def _undo(self) -> None:
        for _ in range(int(self.rng.integers(1, 4))):
            self.do(self.live.undo_last)

    def _redo(self) -> None:
        for _ in range(int(self.rng.integers(1, 4))):
            self.do(self.live.redo_last)

    # -- stacks

    def _plane(self) -> None:
        plane = int(self.rng.integers(self.planes))
        self.do(lambda: self.viewer.dims.set_current_step(0, plane))

    def _through(self) -> None:
        """Paint, or fill, through several planes at once."""
        self.layer.n_edit_dimensions = 3
        label = self.live.live_layer.shows.next_label
        if self.rng.random() < 0.7:
            self._stroke(*self._point(False), label, 8)
        else:
            at = self._at(*self._point(True))
            self.do(lambda: self.layer.fill(at, label))
        self.layer.n_edit_dimensions = 2

    def _everywhere(self) -> None:
        self.do(self.live.everywhere.click)

    # -- links

    def _links(self, what: str) -> None:
        self.do(lambda: self.widget.result.links.do(what))
        self.window.settle()

    def _cut(self) -> None:
        self._choose()
        self._links("cut")

    def _join(self) -> None:
        self._choose()
        self._links("join")
        self._plane()
        self.window.settle()
        self._choose()
        self._links("join")

    def _divide(self) -> None:
        self._choose()
        self._links("divide")
        self._plane()
        self.window.settle()
        self._choose()
        self._links("divide")

    def _link(self) -> None:
        self._links("link")
