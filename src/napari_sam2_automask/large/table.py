"""One row per object of a large image, added up from the blocks it was drawn in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.errors import OutputError
from napari_sam2_automask.large.output.run_folder import Results
from napari_sam2_automask.settings.units import in_micrometres

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_sam2_automask.large.tasks import Job
    from napari_sam2_automask.large.tiles.seam_rule import Plan

__all__ = ["object_table", "write_table"]


def object_table(
    job: Job, name: str, plan: Plan, spacing: tuple[float, float, float], unit: str | None
) -> pd.DataFrame:
    """Add up what the blocks hold of each object.

    Parameters
    ----------
    job : Job
        The run, all blocks of which are drawn.
    name : str
        Of the plan.
    plan : Plan
        The plan.
    spacing : (float, float, float)
        Distance between planes, height and width of a pixel.
    unit : str or None
        The unit of length.

    Returns
    -------
    pandas.DataFrame
        Columns ``index`` (the number in the labels), ``plane`` (counted over all axes of planes, the last
        one of the image fastest), one for each axis of planes of the labels, such as ``t`` and ``z``,
        ``predicted_iou`` (the best of its parts),
        ``area`` (pixels), ``area_um2`` (with a `unit` of length), ``centroid_y``, ``centroid_x``,
        ``bbox_y0``, ``bbox_x0``, ``bbox_y1``, ``bbox_x1`` (pixels, ends excluded) and ``tiles`` (from how
        many tiles it was put together). Objects that others cover wholly have no row.

    Raises
    ------
    OutputError
        If the notes of a block are damaged.
    """
    import pandas as pd

    count = plan.count + 1
    plane, area, sums = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros((2, count))
    low, high = np.full((2, count), np.iinfo(np.int32).max), np.zeros((2, count), np.int64)
    drawn = Results(job.folder / name)
    for index in range(job.pyramid.blocks(0)):
        found = drawn.read("level0", index)
        if found is None:
            raise OutputError(f"{drawn.path('level0', index)} is damaged; run the same again to make it anew")
        rows = found["rows"]
        n = rows["number"].astype(np.int64)
        plane[n] = job.pyramid.box(0, index)[0]
        area[n] += rows["area"]
        for k, axis in enumerate("yx"):
            sums[k, n] += rows[axis]
            low[k, n] = np.minimum(low[k, n], rows[axis + "0"])
            high[k, n] = np.maximum(high[k, n], rows[axis + "1"])
    seen = np.flatnonzero(area)
    table = pd.DataFrame({"index": seen, "plane": plane[seen]})
    planes = job.pyramid.planes
    for axis, place in zip(planes.names, planes.places(plane[seen]), strict=True):
        if axis not in table:
            table[axis] = place
    table["predicted_iou"], table["area"] = plan.score[seen], area[seen]
    pixel = in_micrometres(spacing[1:], unit)
    if pixel is not None:
        table["area_um2"] = table["area"] * pixel
    table["centroid_y"], table["centroid_x"] = sums[:, seen] / area[seen]
    table["bbox_y0"], table["bbox_x0"] = low[:, seen]
    table["bbox_y1"], table["bbox_x1"] = high[:, seen]
    table["tiles"] = plan.tiles[seen]
    return table


def write_table(
    path: Path, job: Job, name: str, plan: Plan, spacing: tuple[float, float, float], unit: str | None
) -> None:
    """Write `object_table` as a CSV file, whole or not at all."""
    write_one(path, object_table(job, name, plan, spacing, unit).to_csv(index=False).encode())
