"""The table of objects of a result that follows the sliders, with what a person did to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.mending.object_facts import EDITED, facts_with, tell_edits
from napari_sam2_automask.painting.table import Facts, object_table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.answer import Answer
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.painting.levels import Levels
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["resized_rows", "table_of"]

# What no size of a pixel changes: of the candidates, and what a person did.
_SIZELESS = (
    *("predicted_iou", "stability_score", "mask_area", "point_y", "point_x"),
    *("crop_y0", "crop_x0", "crop_y1", "crop_x1", EDITED),
)


def table_of(
    labels: NDArray[Any],
    follower: LiveLayer,
    shows: Answer,
    request: Request,
    levels: Levels | None,
) -> pd.DataFrame:
    """Measure the objects that show, for a thread that can wait.

    Parameters
    ----------
    labels : (Y, X) int array
        The labels of the window that the candidates were found in.
    follower : LiveLayer
        The layer.
    shows : Answer
        What is known of the labels.
    request : Request
        The run.
    levels : Levels or None
        The levels, if all are kept.
    """
    facts = Facts.of_candidates(follower.candidates, shows.settings, shows.masks)
    if shows.numbers is not None:
        facts = _in_stack(facts, shows.numbers)
    table = _measured(labels, facts_with(facts, shows.kept, labels), shows.settings, request, levels)
    tell_edits(table, shows.kept)
    return _in_plane(table, request)


def resized_rows(
    rows: pd.DataFrame, labels: NDArray[Any], settings: AmgSettings, request: Request
) -> pd.DataFrame:
    """Return the rows of a plane that was measured before, told in the size of pixels that `request` has.

    Parameters
    ----------
    rows : DataFrame
        The rows as they were told.
    labels : (Y, X) int array
        All labels of the plane, as rows and columns of the run.
    settings : AmgSettings
        What the plane shows.
    request : Request
        The run of the plane.
    """
    part = labels if request.region is None else request.region.cut(labels)
    nothing: NDArray[Any] = np.zeros(0)
    none = np.zeros(0, np.int64)
    facts = Facts(
        none,
        nothing,
        nothing,
        none,
        np.zeros((0, 2)),
        np.zeros((0, 4), np.int64),
        settings.measures,
        settings.expand_distance,
    )
    table = _in_plane(_measured(part, facts, settings, request, None), request)
    both = table[["index"]].merge(rows, how="left", on="index")
    if EDITED in rows:
        table.insert(1, EDITED, both[EDITED])
    for name in (name for name in _SIZELESS if name in both and name in table):
        table[name] = both[name].to_numpy()
    return table


def _measured(
    labels: NDArray[Any], facts: Facts, settings: AmgSettings, request: Request, levels: Levels | None
) -> pd.DataFrame:
    """Measure objects in what was segmented of a plane."""
    from napari_sam2_automask.pipeline import measure_channels_of

    source, region = request.source, request.region
    image = source.plane(request.indices[0])
    image = image if region is None else region.cut(image)
    table = object_table(
        labels if levels is None else levels,
        facts,
        image=image if source.channels is None else None,
        pixel_size=source.pixel_size if source.unit else None,
        unit=source.unit,
    )
    where = labels if levels is None else levels.labels
    measure_channels_of(request.picture(image), table, where, settings)
    return table


def _in_plane(table: pd.DataFrame, request: Request) -> pd.DataFrame:
    """Return a table of what was segmented with places in the whole plane."""
    source, region = request.source, request.region
    return table if region is None else region.shifted(table, source.pixel_size, source.unit)


def _in_stack(facts: Facts, numbers: NDArray[np.uint32]) -> Facts:
    """Return what is known of the objects of a plane by their numbers in the stack, of those that show."""
    known = facts.ids < len(numbers)
    known[known] = numbers[facts.ids[known]] > 0
    one_each: dict[str, Any] = {
        name: value[known] for name, value in facts._asdict().items() if isinstance(value, np.ndarray)
    }
    return facts._replace(**{**one_each, "ids": numbers[one_each["ids"]].astype(np.int64)})
