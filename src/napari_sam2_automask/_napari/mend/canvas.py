"""Clicks and strokes on the result's layer, to actions on its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_sam2_automask._napari.common.layout import Signal
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask._napari.mend.asking import Asking
from napari_sam2_automask._napari.mend.previews import Previews
from napari_sam2_automask.engine.scribbles import along
from napari_sam2_automask.geometry.placed import Placed, tight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask.mending.mends import Done, Mends

    Point = tuple[float, float]

__all__ = ["GROWTH", "NOTHING_TO_FOLLOW", "Canvas"]

#: Tools with which a drag draws; with the others it moves the view.
DRAWN = ("split", "ask")
#: Tools of which an outline shows what a click would give.
LOOKED_AT = ("add", "parts", "whole", "shrink", "grow")
#: By how many pixels a click lets an object grow, and how many times as many with Shift.
GROWTH, FAR = {"shrink": -1, "grow": 1}, 5
#: Why nothing is released where labels of before are mended.
NOTHING_TO_FOLLOW = "No model was run here: there are no settings that objects could follow again."
#: What a person reads while the model's answer shows.
ANSWERED = "Enter takes it. Click on what is missing, Shift+click on what is too much; Esc gives it up."


class Canvas(QObject):
    """Listens to the mouse over the layer that follows the settings, while a tool is pressed.

    Parameters
    ----------
    viewer : Viewer
        Where the layer is.
    live : LivePanel
        Whose objects are mended.

    Attributes
    ----------
    tool : str
        The tool that is pressed; empty for none.
    picked : tuple of int
        The objects that are chosen, by clicks or in the table; they have an outline.
    seeds : list of (float, float)
        Points in the parts of an object that is to be split, in the axes of the layer.
    asking : Asking
        The object that the model is asked for.
    negative : bool
        Whether clicks are beside the object that the model is asked for.
    said : Qt signal
        Emits what a click has not done, and why.
    chose : Qt signal
        Emits `picked` when a click has changed it.
    """

    said, chose = Signal(str), Signal(tuple)

    def __init__(self, viewer: Viewer, live: LivePanel) -> None:
        super().__init__(live)
        self._live = live
        self._layer: Labels | None = None
        self._under: Point | None = None
        # Where nothing that is stored could be added, in the axes of the layer.
        self._nothing_at: Point | None = None
        self.tool = ""
        self.negative = False
        self.picked: tuple[int, ...] = ()
        # Whether what is chosen is what an action has left, not a person's choice.
        self._left = False
        self.seeds: list[Point] = []
        self.asking = Asking(self)
        self._previews = Previews(viewer, live)
        self.asking.answered.connect(self._on_answer)
        self.asking.failed.connect(self._on_no_answer)
        live.mended.connect(self._on_mended)
        live.not_mended.connect(self._on_not_mended)
        live.drawn.connect(self._redraw)
        live.switched.connect(self._on_switched)

    # -- begin and end

    def take(self, tool: str) -> None:
        """Take a tool, or put it down if the name is empty."""
        follower = self._live.live_layer
        layer = follower.layer if follower is not None and tool else None
        self._listen(layer)
        self.tool = tool if layer is not None else ""
        self.give_up()
        self._previews.clear()
        if self._left or layer is None:  # what the tool before has left is not what this one is to go on with
            self.choose(0)
        if layer is None or follower is None:
            return
        layer.mode = "paint" if tool == "brush" else "pan_zoom"
        if tool == "brush":
            layer.selected_label = follower.shows.next_label
        layer.mouse_pan = tool not in ("brush", *DRAWN)

    def give_up(self) -> bool:
        """Forget what was begun and not finished; return whether there was anything."""
        begun = bool(self.seeds) or self.asking.begun or self.asking.label > 0
        self.seeds.clear()
        self.asking.stop()
        self.negative = False
        self._previews.clear()
        self._mark()
        return begun

    def close(self) -> None:
        """Listen to nothing any more."""
        self.asking.stop()
        self._listen(None)
        self._previews.close()

    @property
    def chosen(self) -> int:
        """The object that was chosen last; 0 for none."""
        return self.picked[-1] if self.picked else 0

    def choose(self, *labels: int, tell: bool = True) -> None:
        """Choose objects, and no others; 0 is none."""
        self.picked = tuple(label for label in labels if label)
        self._left = False
        self._redraw()
        if tell:
            self.chose.emit(self.picked)

    def _listen(self, layer: Labels | None) -> None:
        if self._layer is not None and self._layer is not layer:
            self._layer.mouse_drag_callbacks.remove(self._on_press)
            self._layer.mouse_move_callbacks.remove(self._on_move)
            if self.tool == "brush":
                self._layer.mode = "pan_zoom"
            self._layer.mouse_pan = self._layer.mode == "pan_zoom"
        if layer is not None and layer is not self._layer:
            layer.mouse_drag_callbacks.append(self._on_press)
            layer.mouse_move_callbacks.append(self._on_move)
        self._layer = layer

    def _on_switched(self) -> None:
        """Forget what was begun in the plane that was shown before."""
        self.give_up()
        self._under = self._nothing_at = None
        self.choose(0)
        follower = self._live.live_layer
        if self.tool == "brush" and follower is not None:
            follower.layer.selected_label = follower.shows.next_label

    def _redraw(self) -> None:
        self._previews.choose(self.picked)

    def _mark(self) -> None:
        follower = self._live.live_layer
        if follower is None or not (self.seeds or self.asking.points):
            self._previews.mark([])
            return
        told = [
            (follower.from_window(at), on) for at, on in zip(self.asking.points, self.asking.on, strict=True)
        ]
        on = [at for at, one in told if one]
        self._previews.mark([*self.seeds, *on], [at for at, one in told if not one])

    # -- the mouse

    def _on_press(self, layer: Labels, event: Any) -> Iterator[None]:
        """Take a click, or a stroke where the tool is drawn with."""
        if self.tool == "brush" or event.button != 1:
            return
        keys = {getattr(key, "name", key) for key in event.modifiers}
        stroke = [self._at(layer, event)]
        yield
        moved = False
        while event.type == "mouse_move":
            moved = True
            stroke.append(self._at(layer, event))
            yield
        if not moved:
            self.click(stroke[0], keys)
        elif self.tool in DRAWN and len(stroke) > 1:
            self.draw(stroke, keys)

    def _on_move(self, layer: Labels, event: Any) -> None:
        self._under = self._at(layer, event)
        if self.tool in LOOKED_AT and not self.asking.begun:
            label = self.label_at(self._under)
            self._previews.look(self.tool, self._under, label, self._meant(label))

    def _at(self, layer: Labels, event: Any) -> Point:
        place = layer.world_to_data(event.position)
        follower = self._live.live_layer
        first, second = (-2, -1) if follower is None else follower.axes
        return float(place[first]), float(place[second])

    def label_at(self, point: Point) -> int:
        """Return the object at a point of the layer's data, 0 for none."""
        follower = self._live.live_layer
        if follower is None:
            return 0
        data = follower.data
        y, x = round(point[0]), round(point[1])
        return int(data[y, x]) if 0 <= y < data.shape[0] and 0 <= x < data.shape[1] else 0

    # -- what they do

    def click(self, point: Point, keys: set[str] | frozenset[str] = frozenset()) -> None:
        """Do what a click with the tool does, at a point (y, x) of the layer's data."""
        follower = self._live.live_layer
        if follower is None:
            self.said.emit("This plane is not ready to be mended.")
            return
        label, tool = self.label_at(point), self.tool
        if "Control" in keys:
            tool = "remove"
        elif "Alt" in keys:
            tool = "merge"
        if tool == "ask" or (tool == "add" and self.asking.begun):
            self._ask_at(point, label, on=self.negative == ("Shift" in keys))
        elif tool == "add" and not label:
            self._add(point)
        elif tool == "split":
            self._seed(point, label)
        elif not label:
            self.said.emit("There is no object: click on one.")
        elif tool == "add":
            self.choose(label)
            self.said.emit(f"Object {label} is there already: 'Parts' steps through what else lies there.")
        elif tool == "remove":
            self._live.mend(lambda mends: mends.remove(label))
        elif tool == "merge":
            self._merge(label)
        elif tool in ("parts", "whole"):
            self.step(tool, point)
        elif tool in GROWTH:
            self._grow(self._meant(label), GROWTH[tool] * (FAR if "Shift" in keys else 1))

    def draw(self, stroke: list[Point], keys: set[str] | frozenset[str] = frozenset()) -> None:
        """Split the object that a stroke crosses; or ask for the one in a box or, with Alt, along it."""
        follower = self._live.live_layer
        if follower is None:
            return
        points = [follower.in_window(point) for point in stroke]
        if self.tool == "split":
            self._live.mend(lambda mends: mends.split(stroke=points))
        elif keys & {"Alt", "Shift"}:
            self.asking.point(follower, along(points), on=self.negative == ("Shift" in keys))
            self._mark()
        else:
            (y0, x0), (y1, x1) = np.min([points[0], points[-1]], 0), np.max([points[0], points[-1]], 0)
            self.asking.around(follower, (float(y0), float(x0), float(y1), float(x1)))

    def apply(self) -> None:
        """Take what the model has answered; or split the object that was clicked on, a part at each click."""
        follower = self._live.live_layer
        if follower is None:
            return
        if self.asking.begun:
            self._take_answer()
        elif len(self.seeds) == 1:
            self.said.emit("Click on another part of the object, then press Enter.")
        elif self.seeds:
            points, self.seeds = [follower.in_window(seed) for seed in self.seeds], []
            self._mark()
            self._live.mend(lambda mends: mends.split(seeds=points))

    def step(self, to: str, point: Point | None = None) -> None:
        """Go on to the next larger or smaller mask at a point, or under the cursor."""
        follower, point = self._live.live_layer, point or self._under
        if follower is None or point is None:
            return
        at = follower.in_window(point)
        self._live.mend(lambda mends: mends.step(at, to))

    def grow(self, tool: str) -> None:
        """Let the objects that are chosen, or the one under the cursor, grow or shrink by a pixel."""
        if labels := self._chosen_or_under():
            self._grow(labels, GROWTH[tool])

    def remove(self) -> None:
        """Remove the objects that are chosen, or the one under the cursor."""
        if labels := self._chosen_or_under():
            self._live.mend(lambda mends: mends.remove(*labels))

    def _chosen_or_under(self) -> tuple[int, ...]:
        """Return the objects that a key is about; say so where there are none."""
        under = self.label_at(self._under) if self._under is not None else 0
        labels = self.picked or ((under,) if under else ())
        if not labels:
            self.said.emit("There is no object under the cursor, and none is chosen.")
        return labels

    def _meant(self, label: int) -> tuple[int, ...]:
        """Return the objects that a click on one is about: all that are chosen, if it is one of them."""
        return self.picked if label in self.picked else (label,)

    def _grow(self, labels: tuple[int, ...], pixels: int) -> None:
        self._live.mend(lambda mends: mends.grow(*labels, pixels=pixels))

    def lock(self) -> None:
        """Lock the objects that are chosen, or the one under the cursor; release them if all are locked."""
        follower, labels = self._live.live_layer, self._chosen_or_under()
        if follower is None or not labels:
            return
        locked = follower.locked.issuperset(labels)
        if locked and not follower.selects:
            self.said.emit(NOTHING_TO_FOLLOW)
            return
        self._live.mend(lambda mends: mends.release(*labels) if locked else mends.lock(*labels))

    def turn_sign(self) -> None:
        """Let clicks be beside the object that the model is asked for, or on it again."""
        self.negative = not self.negative
        self.said.emit(f"Clicks are {'beside' if self.negative else 'on'} the object now.")

    def _add(self, point: Point) -> None:
        follower = self._live.live_layer
        assert follower is not None
        if not follower.selects and follower.live.ask is not None:
            self.said.emit("The model is asked; the first time it is loaded, which takes a while.")
            self._ask_at(point, 0, on=True)
            return
        at = follower.in_window(point)

        def act(mends: Mends) -> Done:
            self._nothing_at = point
            done = mends.add(at)
            self._nothing_at = None
            return done

        self._live.mend(act)

    def _seed(self, point: Point, label: int) -> None:
        if not label or (self.seeds and label != self.chosen):
            self.said.emit("Click on the parts of one object, then press Enter; or draw a line across it.")
            return
        self.seeds.append(point)
        self._mark()
        self.choose(label)
        if len(self.seeds) > 1:
            self.said.emit(f"{len(self.seeds)} parts: press Enter to split object {label}.")

    def _merge(self, label: int) -> None:
        chosen = self.chosen
        if not chosen or chosen == label:
            self.choose(label)
            self.said.emit(f"Object {label}: now click on what belongs to it.")
        else:
            self._live.mend(lambda mends: mends.merge(chosen, label, keep=chosen))

    # -- asking the model

    def _ask_at(self, point: Point, label: int, *, on: bool) -> None:
        follower = self._live.live_layer
        assert follower is not None
        if label and not self.asking.begun:  # what is there is shaped anew
            mask = follower.window(np.asarray(follower.layer.data)) == label
            rows, columns = tight(mask)
            if mask.any():
                self.asking.reshape(label, Placed.at(rows.start, columns.start, mask[rows, columns]))
                self.choose(label)
        self.asking.point(follower, [follower.in_window(point)], on=on)
        self._mark()

    def _on_answer(self) -> None:
        self._previews.show(self.asking.placed)
        self.said.emit(f"The model is {self.asking.score:.0%} sure. {ANSWERED}")

    def _on_no_answer(self, reason: str) -> None:
        self._previews.clear()
        self.said.emit(_sentence(reason))

    def _take_answer(self) -> None:
        placed, score, label = self.asking.placed, self.asking.score, self.asking.label
        if placed is None:
            self.said.emit(
                "The model has not answered yet." if self.asking.busy else "There is no answer to take."
            )
            return
        self.give_up()
        if label:
            self._live.mend(lambda mends: mends.reshape(label, placed, score=score))
        else:
            self._live.mend(lambda mends: mends.add(mask=placed, score=score))

    # -- what came of it

    def _on_mended(self, done: Any) -> None:
        if not self.asking.begun:
            self._previews.clear()
        if done.labels and done.action.action not in ("lock", "release"):
            together = done.action.action == "grow"
            self.choose(*(done.labels if together else done.labels[:1]))
            self._left = True
        elif self.picked and self._live.live_layer is not None:
            self.choose(*(label for label in self.picked if label in self._live.live_layer.objects))

    def _on_not_mended(self, reason: str) -> None:
        point, self._nothing_at = self._nothing_at, None
        follower = self._live.live_layer
        if point is not None and follower is not None and follower.live.ask is not None:
            self.said.emit("Nothing that the run has found lies there: the model is asked.")
            self._ask_at(point, 0, on=True)
        else:
            self.said.emit(_sentence(reason))


def _sentence(reason: str) -> str:
    return plain(reason[:1].upper() + reason[1:].rstrip(".") + ".")
