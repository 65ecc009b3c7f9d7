"""Dashed outlines around locked objects, drawn over the layer and part of no image."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from qtpy.QtCore import QObject
from vispy.scene.visuals import Line  # type: ignore[import-untyped]
from vispy.visuals.transforms import STTransform  # type: ignore[import-untyped]

from napari_sam2_automask._napari.common.errands import Errands

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Labels
    from napari.viewer import Viewer
    from numpy.typing import ArrayLike, NDArray

    from napari_sam2_automask.geometry.placed import Placed

__all__ = ["Outlines", "borders"]

#: Pixels of a dash, and of the gap after it.
DASH = 3
WHITE = (1.0, 1.0, 1.0, 1.0)


class Outlines(QObject):
    """Outlines of objects in a Labels layer, of a stack in the plane that is shown.

    napari has no public place for what is drawn over a layer: where the layer's node of the scene is not
    found, nothing is drawn.

    Parameters
    ----------
    viewer : Viewer
        Where the layer is.
    parent : QObject
        What it lives as long as.
    colour : tuple of float
        Red, green, blue and opacity.
    dash : int
        Pixels of a dash and of the gap after it; 0 for none.

    Attributes
    ----------
    labels : frozenset of int
        The objects around which there is an outline.
    """

    def __init__(
        self,
        viewer: Viewer,
        parent: QObject,
        *,
        colour: tuple[float, float, float, float] = WHITE,
        dash: int = DASH,
    ) -> None:
        super().__init__(parent)
        self._colour, self._dash = colour, dash
        self._viewer = ref(getattr(viewer, "__wrapped__", viewer))
        self._errands = Errands(self)
        self._line: Any = None
        self._node: Any = None
        # The layer, and the ends of the pieces in its axes: x along the last one of the plane.
        self._drawn: tuple[Labels, NDArray[np.float32]] | None = None
        self._turning = viewer.dims.events.order
        self._turning.connect(self._on_order)
        self.labels: frozenset[int] = frozenset()

    def show(self, layer: Labels, labels: Iterable[int], data: ArrayLike | None = None) -> None:
        """Draw around these objects, and around no others; soon, for another thread looks where they are.

        Of a stack `data` are those of the plane, in the layer's axes.
        """
        wanted = frozenset(labels)
        if not wanted:
            self.clear()
            return
        self.labels = wanted
        data = np.asarray(layer.data if data is None else data)
        self._errands.send(
            lambda: borders(data, wanted, self._dash),
            lambda ends: self._draw(layer, wanted, ends),
            lambda error: None,
        )

    def show_masks(self, layer: Labels, masks: Sequence[Placed]) -> None:
        """Draw around some masks in the axes of the layer; now, for they are few."""
        self.labels = frozenset(range(1, 1 + len(masks)))
        ends = [np.zeros((0, 2), np.float32)]
        for mask in masks:
            found = borders(mask.mask.astype(np.uint8), [1], self._dash)
            ends.append(found + np.array([mask.x0, mask.y0], np.float32))
        self._draw(layer, self.labels, np.concatenate(ends))

    def show_marks(
        self, layer: Labels, points: Sequence[tuple[float, float]], size: ArrayLike, *, cross: bool
    ) -> None:
        """Draw a cross, or else a bar, of a size y, x in pixels at points y, x of the layer's data."""
        self.labels = frozenset(range(1, 1 + len(points)))
        y, x = np.asarray(size, float)
        arms = [[-x, 0], [x, 0], *([[0, -y], [0, y]] if cross else [])]
        middles = np.asarray(points, np.float32)[:, None, ::-1]
        self._draw(layer, self.labels, (middles + np.asarray(arms, np.float32)).reshape(-1, 2))

    @property
    def line(self) -> Any:
        """The visual that draws them; None where nothing is drawn."""
        return None if self._drawn is None else self._line

    def clear(self) -> None:
        """Draw nothing."""
        self.labels, self._drawn = frozenset(), None
        if self._line is None:
            return
        if self._node.parent is None:  # the layer has left the scene
            self._drop()
        else:  # others are drawn soon: to make the visual anew takes as long as to draw the whole layer
            self._line.visible = False

    def close(self) -> None:
        """Draw nothing any more."""
        self._turning.disconnect(self._on_order)
        self._errands.close()
        self.clear()
        self._drop()

    def _drop(self) -> None:
        if self._line is not None:
            self._line.parent = None
        self._line = self._node = None

    def _draw(self, layer: Labels, labels: frozenset[int], ends: NDArray[np.float32]) -> None:
        if labels != self.labels:
            return  # others are wanted by now
        node = self._node_of(layer)
        if node is None or not len(ends):
            self.clear()
            return
        drawn = layer, ends
        if self._turned():
            ends = ends[:, ::-1]
        if node is not self._node:
            self._drop()
            self._node = node
            self._line = Line(
                pos=ends, color=self._colour, width=2, connect="segments", method="gl", parent=node
            )
            # Coordinates of the data; napari counts a node's from the corner of the first pixel.
            self._line.transform = STTransform(translate=(0.5, 0.5)).as_matrix()
            self._line.order = 100
            self._line.set_gl_state("translucent", depth_test=False)
        else:
            self._line.set_data(pos=ends)
            self._line.visible = True
        self._drawn = drawn

    def _turned(self) -> bool:
        """Tell whether the viewer shows the axes of planes swapped."""
        viewer = self._viewer()
        shown = viewer.dims.displayed if viewer is not None else (0, 1)
        return bool(shown[-2] > shown[-1])

    def _on_order(self, event: Any = None) -> None:
        """Draw the same where its pixels are seen now."""
        if self._drawn is not None:
            self._draw(self._drawn[0], self.labels, self._drawn[1])

    def _node_of(self, layer: Labels) -> Any:
        """Return the node of the scene that shows a layer, None where it is not found."""
        viewer = self._viewer()
        if viewer is None or viewer.dims.ndisplay != 2:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            canvas = getattr(getattr(viewer.window, "_qt_viewer", None), "canvas", None)
        return getattr(getattr(canvas, "layer_to_visual", {}).get(layer), "node", None)


def borders(data: ArrayLike, labels: Iterable[int], dash: int = DASH) -> NDArray[np.float32]:
    """Return the dashes of the borders of objects.

    Parameters
    ----------
    data : (Y, X) array_like of int
        A label image.
    labels : iterable of int
        The objects.
    dash : int
        Pixels of a dash and of a gap; 0 for no gaps.

    Returns
    -------
    (2 N, 2) float32 array
        x, y of both ends of each piece, which is the edge between two pixels; the centre of the first pixel
        is at 0.
    """
    data = np.asarray(data)
    inside = np.isin(data, np.fromiter(labels, data.dtype if data.dtype.kind in "iu" else np.int64))
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    if data.ndim != 2 or not len(rows):
        return np.zeros((0, 2), np.float32)
    y0, x0 = int(rows[0]), int(columns[0])
    part = np.pad(np.where(inside, data, 0)[y0 : rows[-1] + 1, x0 : columns[-1] + 1], 1)
    found = []
    for axis in (0, 1):
        y, x = np.nonzero(_changes(part, axis))
        kept = np.ones(len(y), bool) if dash == 0 else (y + x) // dash % 2 == 0
        y, x = y[kept], x[kept]
        # Between this pixel and the next along the axis; the border of padding is one pixel wide.
        start = np.stack(
            [x - 1 + x0 + (0.5 if axis == 1 else -0.5), y - 1 + y0 + (0.5 if axis == 0 else -0.5)]
        )
        end = start + np.array([[0.0], [1.0]] if axis == 1 else [[1.0], [0.0]])
        found.append(np.stack([start.T, end.T], axis=1).reshape(-1, 2))
    return np.concatenate(found).astype(np.float32)


def _changes(part: NDArray[Any], axis: int) -> NDArray[np.bool_]:
    """Tell where neighbours along an axis differ."""
    before, after = (part[:-1], part[1:]) if axis == 0 else (part[:, :-1], part[:, 1:])
    changes: NDArray[np.bool_] = before != after
    return changes
