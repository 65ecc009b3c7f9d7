"""The Tracks layer of a stack in time, which follows its links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from napari.layers import Tracks
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.outcome import TracksData

__all__ = ["show_tracks"]


def show_tracks(layer: Tracks, found: TracksData) -> None:
    """Let a Tracks layer show tracks; nothing is set that it shows already.

    napari looks for the ends of each division one by one as it is given a graph, also the same again: some
    0.15 ms each on the window's thread.
    """
    moved = not np.array_equal(layer.data, found.data)
    if moved:  # napari forgets features and graph with it
        layer.data = found.data
    if moved or not _same(layer.features, found.features):
        layer.features = found.features
    if found.graph if moved else dict(layer.graph or {}) != found.graph:
        layer.graph = found.graph


def _same(shown: pd.DataFrame, found: Mapping[str, NDArray[Any]]) -> bool:
    # napari adds the numbers of the tracks.
    return set(shown.columns) - {"track_id"} == set(found) - {"track_id"} and all(
        np.array_equal(shown[name].to_numpy(), values, equal_nan=np.asarray(values).dtype.kind == "f")
        for name, values in found.items()
    )
