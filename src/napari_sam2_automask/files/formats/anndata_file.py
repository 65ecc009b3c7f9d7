"""AnnData (scanpy, squidpy): a row for each object, its measures as columns, and where it lies."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import FormatError
from napari_sam2_automask.settings.measure_names import is_measure
from napari_sam2_automask.settings.units import in_micrometres

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.files.formats.outlined import Outlines

__all__ = ["anndata_of", "h5ad"]


def h5ad(outlines: Outlines) -> bytes:
    """Return an AnnData file (``.h5ad``), see `anndata_of`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5ad"
        anndata_of(outlines).write_h5ad(path)
        return path.read_bytes()


def anndata_of(outlines: Outlines) -> Any:
    """Return objects as `anndata.AnnData`, which comes with the extra ``[anndata]``.

    Parameters
    ----------
    outlines : Outlines
        The objects, with their table.

    Returns
    -------
    AnnData
        ``X`` (objects x measures, float64) has what was measured, by name in ``var``; ``obs`` all other
        columns of the table, its index the labels; ``obsm["spatial"]`` the middles of the masks as x, y
        in pixels, in a stack along z also the plane, and ``obsm["spatial_um"]`` the same in micrometres where
        the size of a pixel is known; ``uns["image"]`` what the image is called.

    Raises
    ------
    FormatError
        If nothing was measured of the objects.
    """
    import pandas as pd
    from anndata import AnnData

    table = outlines.table
    if table is None or "index" not in table:
        raise FormatError(f"{outlines.name}: AnnData holds measures, and there are none: give a table")
    names = [str(name) for name in table.select_dtypes("number") if is_measure(str(name))]
    labels = [str(label) for label in table["index"]]
    obs = table.drop(columns=[*names, "index"]).set_axis(labels, axis=0)
    spatial = _middles(outlines, table)
    more = {"spatial": spatial}
    sides = _sides(outlines, spatial.shape[1])
    if sides is not None:
        more["spatial_um"] = spatial * sides
    return AnnData(
        table[names].to_numpy(np.float64, na_value=np.nan),
        obs=obs.astype(dict.fromkeys(obs.select_dtypes(exclude="number"), str)),
        var=pd.DataFrame(index=names),
        obsm=more,
        uns={"image": outlines.name},
    )


def _middles(outlines: Outlines, table: pd.DataFrame) -> NDArray[np.float64]:
    """Return x, y, and of a stack along z the plane, of the middle of each row's object; NaN without one."""
    deep = bool(outlines.planes) and outlines.axis == "z"
    sums: dict[int, NDArray[np.float64]] = {}
    for label, plane, placed in outlines.objects:
        y, x = np.nonzero(placed.mask)
        rows, columns = placed.window
        at = [x.sum() + x.size * columns.start, y.sum() + y.size * rows.start, x.size * (plane or 0), x.size]
        sums[label] = sums.get(label, np.zeros(4)) + at
    unknown = np.full(4, np.nan)
    found = np.array([sums.get(int(label), unknown) for label in table["index"]]).reshape(-1, 4)
    middles: NDArray[np.float64] = found[:, : 3 if deep else 2] / found[:, 3:]
    return middles


def _sides(outlines: Outlines, count: int) -> NDArray[np.float64] | None:
    """Return the sides of a pixel or voxel in micrometres, x first; None where they are not known."""
    if outlines.size is None or None in outlines.size[3 - count : 3]:
        return None
    *lengths, unit = outlines.size
    sides = [in_micrometres((side or 0.0,), unit) for side in reversed(lengths[3 - count :])]
    return None if None in sides else np.array(sides, np.float64)
