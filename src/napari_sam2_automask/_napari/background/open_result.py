"""The finished labels of a large run as a layer: opened without reading them, in the place of their image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_sam2_automask._napari.common.torch_loading import warm_up_drawing
from napari_sam2_automask._napari.layers.features import numbered
from napari_sam2_automask._napari.layers.layer_choice import unwrapped
from napari_sam2_automask._napari.layers.place import level_count, level_transform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.viewer import Viewer

    from napari_sam2_automask._napari.background.known_runs import KnownRun

__all__ = ["find_result", "place_of", "read_result"]

#: Where a layer's metadata says which file it shows.
OUTPUT_KEY = "sam2_automask_output"
#: Tables of objects up to so many bytes become the layer's features; the file is there in any case.
LARGEST_TABLE = 64_000_000


def find_result(viewer: Viewer, run: KnownRun) -> Labels | None:
    """Return the layer that shows the labels of a run, if there is one."""
    for layer in viewer.layers:
        if layer.metadata.get(OUTPUT_KEY) == run.output:
            found: Labels = unwrapped(layer)
            return found
    return None


def place_of(viewer: Viewer, run: KnownRun) -> dict[str, Any]:
    """Return what puts the labels where their image lies in the viewer, or lay when the run was started."""
    for layer in viewer.layers:
        path = layer.source.path
        same = isinstance(layer, Image) and str(path) == run.image and layer.ndim == len(run.shape)
        if same and run.level < level_count(layer):
            return level_transform(layer, run.level)
    return {
        name: tuple(value) if name in ("units", "axis_labels") else np.array(value)
        for name, value in run.transform.items()
    }


def read_result(run: KnownRun, place: Mapping[str, Any]) -> Labels:
    """Return a layer of the labels, with the table of their objects as features.

    For a thread that can wait: what napari imports for the first layer of a process, and the table, take
    seconds. Of the labels the smallest level is read, for the thumbnail.

    Parameters
    ----------
    run : KnownRun
        The run, finished.
    place : mapping
        From `place_of`.

    Raises
    ------
    ImageError
        If there are no such labels.
    """
    from napari_sam2_automask.large.output.omezarr import RECORD, open_levels
    from napari_sam2_automask.large.output.plane_axes import PlaneAxes
    from napari_sam2_automask.large.output.publish import table_path
    from napari_sam2_automask.large.source.source import counts_of_planes

    warm_up_drawing()
    output = Path(run.output)
    levels, keywords = open_levels(output)
    given: list[Any] = levels if keywords["multiscale"] else [levels]
    image = keywords["metadata"][RECORD].get("identity", {}).get("image", {})
    planes = PlaneAxes.of(counts_of_planes(image.get("axes", ""), image.get("shape", ())))
    if planes.shape == given[0].shape[:-2]:
        given = [planes.in_own_order(level) for level in given]
    shaped = [level.reshape((*run.shape[:-2], *level.shape[-2:])) for level in given]
    table, features = table_path(output), None
    if table.exists() and table.stat().st_size <= LARGEST_TABLE:
        import pandas as pd

        features = numbered(pd.read_csv(table))
    return Labels(
        shaped if keywords["multiscale"] else shaped[0],
        multiscale=keywords["multiscale"],
        name=keywords["name"],
        metadata=keywords["metadata"] | {OUTPUT_KEY: run.output},
        features=features,
        **place,
    )
