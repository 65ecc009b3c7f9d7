"""Linked objects as the arrays of a napari Tracks layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.stack.linked_planes import Linked

__all__ = ["TrackData", "tracks"]


@dataclass(frozen=True, slots=True, eq=False)
class TrackData:
    """What `napari.layers.Tracks` takes: ``Tracks(t.data, graph=t.graph, features=t.features)``.

    Attributes
    ----------
    data : ndarray of float64, shape (N, 4)
        (track, plane, y, x) of each object in each plane, ordered by track, then plane.
    graph : dict of int to list of int
        For each track that starts at a split or a merge, the tracks it comes from.
    features : dict of str to ndarray of shape (N,)
        ``object`` (its number in the labels), ``area`` (pixels) and what else was measured in each plane,
        aligned with `data`.
    """

    data: NDArray[np.float64]
    graph: dict[int, list[int]]
    features: dict[str, NDArray[Any]]


def tracks(linked: Linked, frames: pd.DataFrame | None = None) -> TrackData:
    """Turn linked objects into tracks.

    napari draws a line from the end of a parent track to the start of its child. An object therefore becomes
    a new track where a part splits off it or another merges into it; its number stays the same in the labels
    and in the feature ``object``.

    Parameters
    ----------
    linked : Linked
        From `link_planes`.
    frames : DataFrame, optional
        From `measure_frames`; its columns become features.

    Returns
    -------
    TrackData
        Coordinates in planes and pixels: give the layer the scale of the labels.
    """
    nodes = linked.nodes
    order = np.lexsort((nodes["plane"], nodes["number"]))
    number, plane = nodes["number"][order], nodes["plane"][order]
    cuts = {(e.number, e.plane) for e in linked.events}
    # An object goes on as a new track at its first plane from the event on.
    starts = np.r_[True, number[1:] != number[:-1]] if number.size else np.zeros(0, bool)
    for n, p in cuts:
        rows = np.flatnonzero((number == n) & (plane >= p))
        if rows.size:
            starts[rows[0]] = True
    ids = np.cumsum(starts)
    data = np.stack([ids, plane, nodes["y"][order], nodes["x"][order]], axis=1).astype(np.float64)
    features = {"object": number, "area": nodes["area"][order]}
    if frames is not None:
        seen = frames.set_index(["number", "plane"]).reindex(list(zip(number, plane, strict=True)))
        features |= {str(name): seen[name].to_numpy() for name in seen}
    return TrackData(data, _graph(linked, number, plane, ids), features)


def _graph(
    linked: Linked, number: NDArray[np.int64], plane: NDArray[np.intp], ids: NDArray[np.intp]
) -> dict[int, list[int]]:
    graph: dict[int, set[int]] = {}

    def track(n: int, at: int, *, before: bool) -> int | None:
        rows = np.flatnonzero((number == n) & ((plane < at) if before else (plane >= at)))
        return int(ids[rows[-1 if before else 0]]) if rows.size else None

    for e in linked.events:
        parents = [track(e.number, e.plane, before=True)]
        children = [track(e.number, e.plane, before=False)]
        if e.kind == "split":
            children.append(track(e.other, e.plane, before=False))
        else:
            parents.append(track(e.other, e.plane, before=True))
        for child in children:
            for parent in parents:
                if child is not None and parent is not None and child != parent:
                    graph.setdefault(child, set()).add(parent)
    return {child: sorted(parents) for child, parents in sorted(graph.items())}
