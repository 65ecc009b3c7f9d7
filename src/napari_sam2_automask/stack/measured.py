"""Linked objects measured: as bodies along z, frame by frame along time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.measures.measuring import measure
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

    Returns
    -------
    DataFrame
        That of `linked` with further columns, see `measure`.
    """
    if not measures:
        return linked.table
    image = None
    if channels is not None:
        planes = [channels(k) for k in range(len(linked.labels))]
        image = {name: np.stack([plane[name] for plane in planes]) for name in (planes[0] if planes else ())}
    found = measure(linked.labels, measures, image=image, pixel_size=spacing, unit=unit)
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
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the table of linked objects, with measures of bodies along z, or of time those in each frame.

    Parameters
    ----------
    linked, measures, spacing, unit
        As for `measure_bodies`.
    along : {"z", "t"}
        What the planes are.
    channels : callable
        As for `measure_bodies`; called for measures of intensity alone.
    """
    wanted = channels if set(measures) & set(STATISTICS) else None
    if along == "z":
        return measure_bodies(linked, measures, wanted, spacing, unit), None
    size = None if spacing is None else (spacing[1], spacing[2])
    return linked.table, measure_frames(linked, measures, wanted, size, unit)


def measure_frames(
    linked: Linked,
    measures: Sequence[str],
    channels: Callable[[int], Channels] | None = None,
    pixel_size: tuple[float, float] | None = None,
    unit: str | None = None,
) -> pd.DataFrame | None:
    """Measure linked objects in each plane by itself.

    Parameters
    ----------
    linked, measures, channels, unit
        As for `measure_bodies`.
    pixel_size : (float, float), optional
        The height and width of a pixel in `unit`.

    Returns
    -------
    DataFrame or None
        A row for each object in each plane, with the columns ``number``, ``plane`` and the measures; None
        without measures.
    """
    import pandas as pd

    if not measures:
        return None
    frames = []
    for k, labels in enumerate(linked.labels):
        image = None if channels is None else channels(k)
        found = measure(labels, measures, image=image, pixel_size=pixel_size, unit=unit)
        found.insert(1, "plane", k)
        frames.append(found.drop(columns="area").rename(columns={"index": "number"}))
    return pd.concat(frames, ignore_index=True)
