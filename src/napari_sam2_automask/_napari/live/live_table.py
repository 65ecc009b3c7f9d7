"""The table of objects of a result that follows the sliders, with what a person did to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.layers.features import remeasured
from napari_sam2_automask.mending.object_facts import facts_with, tell_edits
from napari_sam2_automask.painting.table import Facts, object_table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.answer import Answer
    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.painting.levels import Levels

__all__ = ["table_of"]


def table_of(
    labels: NDArray[Any],
    follower: LiveLayer,
    shows: Answer,
    request: Request,
    levels: Levels | None,
    data: NDArray[Any],
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
    data : int array
        The data of the layer, of a stack those of the plane. What a person painted in them outside of the
        region has rows as well.
    """
    from napari_sam2_automask.pipeline import measure_channels_of

    source, region = request.source, request.region
    image = source.plane(request.indices[0])
    image = image if region is None else region.cut(image)
    facts = Facts.of_candidates(follower.candidates, shows.settings, shows.masks)
    if shows.numbers is not None:
        facts = _in_stack(facts, shows.numbers)
    shown = labels if levels is None else levels
    table = object_table(
        shown,
        facts_with(facts, shows.kept, labels),
        image=image if source.channels is None else None,
        pixel_size=source.pixel_size if source.unit else None,
        unit=source.unit,
    )
    where = labels if levels is None else levels.labels
    measure_channels_of(request.picture(image), table, where, shows.settings)
    tell_edits(table, shows.kept)
    if region is None:
        return table
    table = region.shifted(table, source.pixel_size, source.unit)
    beyond = levels is None and np.count_nonzero(data) > np.count_nonzero(labels)
    return remeasured(table, source.oriented(data)) if beyond else table


def _in_stack(facts: Facts, numbers: NDArray[np.uint32]) -> Facts:
    """Return what is known of the objects of a plane by their numbers in the stack, of those that show."""
    known = facts.ids < len(numbers)
    known[known] = numbers[facts.ids[known]] > 0
    one_each: dict[str, Any] = {
        name: value[known] for name, value in facts._asdict().items() if isinstance(value, np.ndarray)
    }
    return facts._replace(**{**one_each, "ids": numbers[one_each["ids"]].astype(np.int64)})
