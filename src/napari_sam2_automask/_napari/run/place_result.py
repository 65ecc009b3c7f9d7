"""Outcomes to Labels layers: in the right place, with features and the record, no edit lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.features import numbered, objects_of
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.run.request import Previous, Request

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.run.outcome import Outcome

__all__ = [
    "RECORD_KEY",
    "find_previous",
    "layer_name",
    "place_outcome",
    "previous_of",
    "request_key",
    "tracks_layers",
]

#: Where a layer's metadata holds the record of the run.
RECORD_KEY = "sam2_automask"
#: Where it holds what the widget needs to find the layer again.
LAYER_KEY = "sam2_automask_layer"
#: Where the metadata of a Tracks layer holds the key of its run.
TRACKS_KEY = "sam2_automask_tracks"


def request_key(request: Request, image: Image) -> str:
    """Return what two runs have in common if the later may replace the result of the earlier."""
    same: list[Any] = [
        str(image.unique_id),
        request.settings.to_json(),
        request.model,
        request.contrast,
        request.source.rows_columns,
        request.source.level,
        request.region and request.region.key,
        request.link,
    ]
    if request.start is not None:
        same += [request.start.key]
    if request.source.projected:
        same += [request.source.projected.title]
    channels = request.source.channels
    if channels is not None:
        same += [channels.how, channels.keys]
    return json.dumps(same, sort_keys=True, default=str)


def find_previous(viewer: Viewer, key: str) -> Labels | None:
    """Return the Labels layer that holds the result of an earlier run with the same key."""
    # The latest first: where an earlier one was edited, it is the later that may be replaced.
    for layer in reversed(list(viewer.layers)):
        info = layer.metadata.get(LAYER_KEY)
        if isinstance(info, dict) and info.get("key") == key:
            return unwrapped(layer)
    return None


def previous_of(layer: Labels, request: Request) -> Previous | None:
    """Return what the job needs to know about an earlier result."""
    if not isinstance(layer.data, np.ndarray):
        return None
    features, next_id = objects_of(layer.features), 1
    others = features
    if request.source.other_axes and len(features) and layer.metadata[LAYER_KEY]["axis_columns"]:
        info = layer.metadata[LAYER_KEY]
        planes = [tuple(row) for row in features[info["axis_columns"]].itertuples(index=False)]
        others = features[[plane not in request.indices for plane in planes]]
    if len(others):
        next_id = int(others["index"].max()) + 1
    return Previous(layer.data, layer.metadata[LAYER_KEY]["digests"], next_id)


def layer_name(request: Request, complete: bool = True) -> str:
    """Return the name of a result: the image, then what it was segmented with, or whose labels it has."""
    partial = "" if complete else " (partial)"
    if request.start is not None:
        return f"{request.source.name} - {request.start.name}, mended{partial}"
    preset = f"custom (from {request.preset})" if request.custom else request.preset
    model = request.model.replace("\\", "/").rsplit("/", 1)[-1]
    channels = request.source.channels
    what = f", {channels.title}" if channels is not None else ""
    pyramid = request.source.pyramid
    level = f", {pyramid.told} of full size" if pyramid is not None and pyramid.number else ""
    where = f", {request.region.name}" if request.region is not None else ""
    return f"{request.source.name} - {preset}, {model}{level}{what}{where}{partial}"


def place_outcome(
    viewer: Viewer, request: Request, outcome: Outcome, key: str, previous: Labels | None
) -> Labels:
    """Put an outcome into the viewer.

    Parameters
    ----------
    viewer : Viewer
        The viewer.
    request : Request
        What was asked for.
    outcome : Outcome
        What came of it.
    key : str
        See :func:`request_key`.
    previous : Labels or None
        The layer of an earlier run with the same key; replaced if nobody edited it and it is still there.

    Returns
    -------
    Labels
        The layer that holds the result.
    """
    if outcome.tracks is not None:
        _place_tracks(viewer, request, outcome, key)
    if previous is not None and outcome.replaces and previous in viewer.layers:
        return _replace(previous, request, outcome)
    linked = "link" in outcome.record
    info = {
        "key": key if outcome.complete else None,
        "digests": dict(outcome.digests),
        "axis_columns": [] if linked else list(outcome.table.columns[1 : 1 + len(request.source.other_axes)]),
    }
    return unwrapped(
        viewer.add_labels(
            outcome.data,
            name=layer_name(request, outcome.complete),
            features=numbered(outcome.table),
            metadata={RECORD_KEY: outcome.record, LAYER_KEY: info},
            **request.source.transform,
        )
    )


def tracks_layers(viewer: Viewer, key: str) -> list[Any]:
    """Return the Tracks layers of the runs with a key."""
    return [layer for layer in viewer.layers if layer.metadata.get(TRACKS_KEY) == key]


def _place_tracks(viewer: Viewer, request: Request, outcome: Outcome, key: str) -> None:
    """Add the tracks of a stack linked in time, in the place of those of an earlier run with the same key."""
    tracks = outcome.tracks
    assert tracks is not None
    for layer in tracks_layers(viewer, key):
        viewer.layers.remove(layer)
    viewer.add_tracks(
        tracks.data,
        graph=tracks.graph,
        features=tracks.features,
        name=f"{layer_name(request)} - tracks",
        metadata={TRACKS_KEY: key},
        **tracks.transform,
    )


def _replace(layer: Labels, request: Request, outcome: Outcome) -> Labels:
    """Put new planes, rows and digests in the place of the old ones."""
    import pandas as pd

    info: dict[str, Any] = layer.metadata[LAYER_KEY]
    table = outcome.table
    columns = info["axis_columns"]
    before = objects_of(layer.features)
    if columns and len(before):
        planes = [tuple(row) for row in before[columns].itertuples(index=False)]
        kept = before[[plane not in outcome.digests for plane in planes]]
        table = pd.concat([kept, table], ignore_index=True) if len(kept) else table
    layer.data = outcome.data
    layer.features = numbered(table)
    layer.metadata[RECORD_KEY] = outcome.record
    info["digests"].update(outcome.digests)
    layer.refresh()
    return layer
