"""Outlines of what is chosen, of what a click would give, and of what the model has answered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_sam2_automask._napari.common.camera import camera_of
from napari_sam2_automask._napari.live.outlines import Outlines
from napari_sam2_automask.mending.actions import Add, Grow, Step, made

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.viewer import Viewer

    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.mending.mends import Mends

    Point = tuple[float, float]

__all__ = ["Previews"]

#: Colours: the objects that are chosen, what a click would give, and where was clicked on and beside it.
CHOSEN, COMING = (1.0, 1.0, 1.0, 1.0), (0.9, 0.6, 0.0, 1.0)
ON, BESIDE = (0.0, 0.8, 0.5, 1.0), (0.9, 0.3, 0.2, 1.0)


class Previews(QObject):
    """Draws them over the layer that follows the settings.

    Parameters
    ----------
    viewer : Viewer
        Where the layer is.
    live : LivePanel
        Whose objects they are.
    """

    def __init__(self, viewer: Viewer, live: LivePanel) -> None:
        super().__init__(live)
        self._viewer, self._live = viewer, live
        self._coming = Outlines(viewer, self, colour=COMING, dash=0)
        self._chosen = Outlines(viewer, self, colour=CHOSEN, dash=0)
        self._on = Outlines(viewer, self, colour=ON, dash=0)
        self._beside = Outlines(viewer, self, colour=BESIDE, dash=0)
        self._wanted: tuple[str, Point, int, tuple[int, ...]] | None = None
        self._asked: Any = None
        self._looking = False

    def choose(self, labels: Sequence[int]) -> None:
        """Draw around the objects that are chosen."""
        follower = self._live.live_layer
        if follower is None or not labels:
            self._chosen.clear()
        else:
            self._chosen.show(follower.layer, labels, follower.data)

    def show(self, mask: Placed | None) -> None:
        """Draw around a mask of the part that was segmented, as what is coming."""
        follower = self._live.live_layer
        if mask is None or follower is None:
            self._coming.clear()
        else:
            self._coming.show_masks(follower.layer, [follower.on_layer(mask)])

    def mark(self, on: Sequence[Point], beside: Sequence[Point] = ()) -> None:
        """Draw a cross at points of the layer that lie on an object, and a bar at those beside it."""
        follower = self._live.live_layer
        for outlines, points, cross in ((self._on, on, True), (self._beside, beside, False)):
            if follower is None or not points:
                outlines.clear()
            else:
                scale = np.abs(follower.layer.scale[list(follower.axes)])
                size = 6 / max(float(camera_of(self._viewer).zoom), 1e-6) / scale
                outlines.show_marks(follower.layer, points, size, cross=cross)

    def clear(self) -> None:
        """Draw nothing of what is coming."""
        self._wanted = self._asked = None
        self._coming.clear()

    def look(self, tool: str, point: Point, label: int, meant: tuple[int, ...]) -> None:
        """Have the outline made of what a click with a tool at a point of the layer would give.

        `label` is the object there, and `meant` are those that the click is about.

        One at a time is made, and the newest place counts.
        """
        follower = self._live.live_layer
        if follower is None:
            return
        if (tool == "add") == (label != 0):  # nothing to add on an object, no parts beside one
            self.clear()
            return
        self._wanted = tool, point, label, meant
        pixel = tool, round(point[0]), round(point[1])
        if self._looking or pixel == self._asked:
            return
        self._asked, self._looking = pixel, True
        at = follower.in_window(point)
        self._live.look(partial(_previewed, _action(tool, at, meant)), self._take)

    def close(self) -> None:
        """Draw nothing any more."""
        for outlines in (self._coming, self._chosen, self._on, self._beside):
            outlines.close()

    def _take(self, found: Any) -> None:
        self._looking = False
        follower = self._live.live_layer
        if self._wanted is None or follower is None:
            return
        if isinstance(found, dict):
            self._coming.show_masks(follower.layer, [follower.on_layer(mask) for mask in found.values()])
        else:
            self._coming.clear()
        self.look(*self._wanted)


def _action(tool: str, at: Point, meant: tuple[int, ...]) -> Action:
    if tool == "add":
        return made(Add, point=at)
    if tool in ("parts", "whole"):
        return made(Step, point=at, to=tool)
    return made(Grow, labels=meant, pixels=1 if tool == "grow" else -1)


def _previewed(action: Action, mends: Mends) -> Mapping[int, Placed]:
    return mends.preview(action)
