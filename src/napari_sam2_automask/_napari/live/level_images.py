"""The levels of a result that follows the sliders: made by a thread that can wait, from what shows now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask.geometry.placed import Placed, places_of
from napari_sam2_automask.measures.cells import expand
from napari_sam2_automask.measures.measuring import sides_in_micrometres
from napari_sam2_automask.painting.labels import label_dtype
from napari_sam2_automask.painting.levels import paint_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.painting.levels import Levels

__all__ = ["LevelImage", "cells_on_layer", "levels_shown", "on_layers"]


class LevelImage(NamedTuple):
    """What the layer of a level shows: labels of its shape, a row per object, a hash of them or of planes."""

    data: NDArray[Any]
    table: pd.DataFrame
    digest: str | Mapping[Any, str]


def levels_shown(
    masks: Mapping[int, Placed],
    labels: NDArray[np.integer[Any]],
    locked: Iterable[int],
    tick: Callable[[], None],
) -> Levels:
    """Paint on levels what shows.

    Parameters
    ----------
    masks : mapping of int to Placed
        The whole masks that the settings choose, by label.
    labels : (Y, X) int array
        The labels as they show, small ones on top.
    locked : iterable of int
        Labels that a person accepted or edited: of them the pixels that show are taken.
    tick : callable
        Called often; may raise to stop.
    """
    own, places = dict(masks), places_of(labels)
    for label in locked:
        own.pop(label, None)
        if label in places:
            rows, columns = places[label]
            own[label] = Placed.at(rows.start, columns.start, labels[rows, columns] == label)
        tick()
    return paint_levels(labels.shape, own, label_dtype(max(own, default=0)), tick)


def on_layers(
    levels: Levels,
    table: pd.DataFrame,
    shape: tuple[int, ...],
    window: Callable[[NDArray[Any]], NDArray[Any]],
) -> list[LevelImage]:
    """Return what the layer of each level shows.

    Parameters
    ----------
    levels : Levels
        Of the part of the image that was segmented.
    table : DataFrame
        Of their objects, see `object_table`.
    shape : tuple of int
        The shape of the layers.
    window : callable
        Returns the part of an array of that shape that was segmented, as a view (Y, X).
    """
    found = []
    for n, image in enumerate(levels.labels):
        data = np.zeros(shape, image.dtype)
        window(data)[...] = image
        found.append(LevelImage(data, table[table["level"] == n].reset_index(drop=True), digest(data)))
    return found


def cells_on_layer(
    labels: NDArray[np.integer[Any]],
    distance: float,
    table: pd.DataFrame,
    shape: tuple[int, ...],
    request: Request,
) -> list[LevelImage]:
    """Return what the layer of the cells shows: objects (Y, X) grown by a distance; none where that is 0."""
    if distance <= 0:
        return []
    source = request.source
    cells = expand(labels, distance, sides_in_micrometres(source.pixel_size, source.unit, 2))
    data = np.zeros(shape, cells.dtype)
    request.window(data)[...] = cells
    return [LevelImage(data, table, digest(data))]
