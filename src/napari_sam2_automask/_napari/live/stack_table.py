"""The table of the objects of a stack: of all its planes, told in the size of pixels that the layer has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.features import numbered, objects_of
from napari_sam2_automask._napari.live.live_table import resized_rows
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask._napari.run.place_result import LAYER_KEY
from napari_sam2_automask._napari.run.stack_outcome import measured_links, tracks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from napari_sam2_automask._napari.live.stack_layer import StackLayer
    from napari_sam2_automask._napari.run.outcome import TracksData
    from napari_sam2_automask.stack.linked_planes import Linked
    from napari_sam2_automask.stack.numbers import Plane

    Size = tuple[tuple[float, float], str | None]

__all__ = ["StackTable"]


class StackTable:
    """Follows what is done in the planes.

    Parameters
    ----------
    stack : StackLayer
        The stack.
    """

    def __init__(self, stack: StackLayer) -> None:
        self._stack = stack
        self._table: pd.DataFrame | None = None
        self._measured: tuple[Any, pd.DataFrame, pd.DataFrame | None] | None = None
        # How large pixels were when the rows of planes were told; in those of no entry as in the first run.
        self._sizes: dict[Plane, Size] = {}
        self._first_size: Size = stack.request.source.size

    def take(self, planes: Iterable[Plane], size: Size) -> None:
        """Take note that a later run has put its rows of planes into the layer."""
        self._table = self._measured = None
        self._sizes |= dict.fromkeys(planes, size)

    def measured(
        self, plane: Plane, rows: pd.DataFrame, size: Size
    ) -> tuple[pd.DataFrame, TracksData | None]:
        """Return features and tracks of the layer with other objects in a plane; for a thread that can wait.

        The rows are told in pixels of some `size`. Of linked planes an object has one row, which the links
        tell.
        """
        stack = self._stack
        if stack.linked is None:
            self._sizes[plane] = size
            return self._features(plane, rows), None
        position, links = stack.position(plane), stack.linked.links
        with stack.linked.lock:
            links.look(position, stack.linked.labels_now(position))
            linked, axis = links.linked, links.axis
        table, frames = self._measured_links(linked)
        return numbered(table), tracks_of(stack.request.source, linked, frames) if axis == "t" else None

    def _measured_links(self, linked: Linked) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Return the table of linked objects, and measures in each frame; anew once labels change."""
        stack = self._stack
        places = stack.request.source.all_indices()
        distances = [stack.distance(plane) for plane in places]
        if stack.links is None or not (stack.request.settings.measures or any(distances)):
            return linked.table, None
        labels = np.stack([stack.labels_of(k) for k in range(len(places))])
        key = digest(labels), linked.events, distances, stack.links.spacing, stack.links.unit
        known = self._measured
        if known is None or known[0] != key:
            cells = np.stack([stack.cells_of(plane) for plane in places]) if any(distances) else None
            found = measured_links(stack.request, replace(linked, labels=labels), stack.links, cells)
            known = self._measured = (key, *found)
        return known[1], known[2]

    def _features(self, plane: Plane, rows: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        stack = self._stack
        info = stack.layer.metadata.get(LAYER_KEY)
        columns = info["axis_columns"] if isinstance(info, dict) else []
        before = objects_of(stack.layer.features) if self._table is None else self._table
        if not columns or not set(columns) <= set(before.columns):
            known: pd.DataFrame = stack.layer.features
            return known
        rows = _in_plane(rows, columns, plane)
        planes = list(before[columns].itertuples(index=False, name=None))
        others = before[[one != plane for one in planes]]
        if len(others) and any(self._size(one) != stack.request.source.size for one in set(planes) - {plane}):
            others = self._resized(others, columns)
        self._table = pd.concat([others, rows], ignore_index=True) if len(others) else rows
        return numbered(self._table)

    def _size(self, plane: Plane) -> Size:
        return self._sizes.get(plane, self._first_size)

    def _resized(self, rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        """Return rows of planes, all told in the size of pixels that the layer has now."""
        import pandas as pd

        stack = self._stack
        now, found = stack.request.source.size, []
        for _, own in rows.groupby(list(columns), sort=False):
            plane = tuple(int(one) for one in own[list(columns)].iloc[0])
            if self._size(plane) != now:
                labels, settings = stack.labels_of(stack.position(plane)), stack.settings(plane)
                told = resized_rows(own, labels, settings, stack.own_request(plane))
                own, self._sizes[plane] = _in_plane(told, columns, plane), now
            found.append(own)
        return pd.concat(found, ignore_index=True)


def _in_plane(rows: pd.DataFrame, columns: Sequence[str], plane: Plane) -> pd.DataFrame:
    """Return rows with the columns that say in which plane they are, after the first."""
    rows = rows.copy()
    for position, (name, value) in enumerate(zip(columns, plane, strict=True), 1):
        rows.insert(position, name, value)
    return rows
