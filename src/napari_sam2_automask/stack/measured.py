"""Linked objects measured: as bodies along z, frame by frame along time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.measures.cells import cell_columns
from napari_sam2_automask.measures.measuring import measure, sides_in_micrometres
from napari_sam2_automask.settings.measure_names import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.stack.linked_planes import Linked

    Channels = Mapping[str, NDArray[Any]]

__all__ = ["measure_bodies", "measure_frames", "measure_linked"]


def measure_bodies(
    linked: Linked,
    measures: Sequence[str],
    channels: Callable[[int], Channels] | None = None,
    spacing: tuple[float, float, float] | None = None,
    unit: str | None = None,
    cells: NDArray[Any] | None = None,
) -> pd.DataFrame:
    """Return the table of linked objects with measures of them as bodies.

    Parameters
    ----------
    linked : Linked
        From `link_planes` along z.
    measures : sequence of str
        Which, see `MEASURES`.
    channels : callable, optional
        Takes the number of a plane and returns its channels, (Y, X) arrays by name; a single one may have an
        empty name. Needed for measures of intensity.
    spacing : (float, float, float), optional
        Distance between planes, height and width of a pixel, in `unit`.
    unit : str, optional
        The unit of length.
    cells : (P, Y, X) int array, optional
        The objects grown to cells, see `expand`.

    Returns
    -------
    DataFrame
        That of `linked` with further columns, see `measure` and `cell_columns`.
    """
    if not measures and cells is None:
        return linked.table
    measures, statistics = _asked(measures, cells)
    image = None
    if channels is not None:
        planes = [channels(k) for k in range(len(linked.labels))]
        image = {name: np.stack([plane[name] for plane in planes]) for name in (planes[0] if planes else ())}
    found = measure(linked.labels, measures, image=image, pixel_size=spacing, unit=unit)
    if cells is not None:
        sides = sides_in_micrometres(spacing, unit, 3)
        found = _with_cells(found, linked.labels, cells, image, statistics, sides)
    # Where both have a centroid, the table's is that of the areas, in planes and pixels, as it always was.
    new = [name for name in found if name == "index" or name not in linked.table]
    return linked.table.merge(found[new].drop(columns="voxels", errors="ignore"), on="index", how="left")


def measure_linked(
    linked: Linked,
    along: str,
    measures: Sequence[str],
    channels: Callable[[int], Channels],
    spacing: tuple[float, float, float] | None = None,
    unit: str | None = None,
    cells: NDArray[Any] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the table of linked objects, with measures of bodies along z, or of time those in each frame.

    Parameters
    ----------
    linked, measures, spacing, unit, cells
        As for `measure_bodies`.
    along : {"z", "t"}
        What the planes are.
    channels : callable
        As for `measure_bodies`; called for measures of intensity and for cells alone.
    """
    wanted = channels if cells is not None or set(measures) & set(STATISTICS) else None
    if along == "z":
        return measure_bodies(linked, measures, wanted, spacing, unit, cells), None
    size = None if spacing is None else (spacing[1], spacing[2])
    return linked.table, measure_frames(linked, measures, wanted, size, unit, cells)


def measure_frames(
    linked: Linked,
    measures: Sequence[str],
    channels: Callable[[int], Channels] | None = None,
    pixel_size: tuple[float, float] | None = None,
    unit: str | None = None,
    cells: NDArray[Any] | None = None,
) -> pd.DataFrame | None:
    """Measure linked objects in each plane by itself.

    Parameters
    ----------
    linked, measures, channels, unit, cells
        As for `measure_bodies`.
    pixel_size : (float, float), optional
        The height and width of a pixel in `unit`.

    Returns
    -------
    DataFrame or None
        A row for each object in each plane, with the columns ``number``, ``plane`` and the measures; None
        without measures and cells.
    """
    import pandas as pd

    if not measures and cells is None:
        return None
    measures, statistics = _asked(measures, cells)
    sides = sides_in_micrometres(pixel_size, unit, 2)
    frames = []
    for k, labels in enumerate(linked.labels):
        image = None if channels is None else channels(k)
        found = measure(labels, measures, image=image, pixel_size=pixel_size, unit=unit)
        if cells is not None:
            found = _with_cells(found, labels, cells[k], image, statistics, sides)
        found.insert(1, "plane", k)
        frames.append(found.drop(columns="area").rename(columns={"index": "number"}))
    return pd.concat(frames, ignore_index=True)


def _asked(measures: Sequence[str], cells: NDArray[Any] | None) -> tuple[list[str], list[str]]:
    """Return what is to be measured, and the statistics among it; with cells there is one at least."""
    statistics = [name for name in measures if name in STATISTICS]
    if cells is None or statistics:
        return list(measures), statistics
    return [*measures, "intensity_mean"], ["intensity_mean"]


def _with_cells(
    found: pd.DataFrame,
    labels: NDArray[Any],
    cells: NDArray[Any],
    channels: Channels | None,
    statistics: Sequence[str],
    sides: Sequence[float] | None,
) -> pd.DataFrame:
    """Return a table with what lies in rings and cells."""
    ids = found["index"].tolist()
    return found.assign(**cell_columns(labels, cells, ids, channels or {}, statistics, sides))
