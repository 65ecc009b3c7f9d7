"""Tables of objects as a layer holds them, and as they are written into files.

napari's table of features selects the label that has the number of the row which is clicked on. Labels are
ranks of candidates and have gaps; so a layer's features have a row for each number up to the largest, empty
but for its number where there is no object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.geometry.placed import places_of
from napari_sam2_automask.mending.object_facts import EDITED

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["numbered", "objects_of", "remeasured"]

# Numbers beyond this are no counts, and a row for each would fill the memory.
_MOST = 1_000_000
_BOX = ("bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1")


def numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a row for each number from 0 to the largest label, in order.

    Where there is no object, whole numbers are None: that is what napari's status bar passes over. A table
    without the column ``index``, with a label twice or with one above a million is returned as it is.
    """
    if "index" not in table or not len(table) or table["index"].dtype.kind not in "iu":
        return table
    labels = table["index"]
    largest = int(labels.max())
    if largest > _MOST or labels.duplicated().any() or int(labels.min()) < 0:
        return table
    whole = {name: "Int64" for name, kind in table.dtypes.items() if kind.kind in "iu" and name != "index"}
    every = table.astype(whole).set_index("index").reindex(np.arange(largest + 1))
    every = every.rename_axis("index").reset_index()
    for name in whole:
        every[name] = every[name].astype(object).where(every[name].notna(), None)
    return every


def objects_of(features: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of objects, as they were before `numbered`."""
    if "index" not in features or features.shape[1] < 2:
        return features
    from pandas.api.types import infer_dtype

    there = features.drop(columns="index").notna().any(axis=1)
    rows = features[there].reset_index(drop=True)
    whole = {
        name: "Int64" if values.isna().any() else np.int64
        for name, values in rows.items()
        if values.dtype == object and infer_dtype(values, skipna=True) == "integer"
    }
    return rows.astype(whole)


def remeasured(table: pd.DataFrame, labels: NDArray[Any]) -> pd.DataFrame:
    """Return a table that fits a label image which may have been edited since it was measured.

    Parameters
    ----------
    table : DataFrame
        A row for each object, as of `object_table`.
    labels : (Y, X) int array
        The label image; of more axes only objects that are gone are left out.

    Returns
    -------
    DataFrame
        Objects that are gone have no row. One whose pixels differ has its area and box, ``edited`` is
        "painted", and all else is empty.
    """
    import pandas as pd

    if "index" not in table or not {"area", *_BOX} <= set(table.columns):
        return table
    if labels.ndim != 2:
        seen = np.unique(labels)
        return table[table["index"].isin(seen)].reset_index(drop=True)
    places = places_of(labels)
    found = pd.DataFrame(
        [
            (
                label,
                np.count_nonzero(labels[place] == label),
                place[0].start,
                place[1].start,
                place[0].stop,
                place[1].stop,
            )
            for label, place in places.items()
        ],
        columns=["index", "area", *_BOX],
    )
    both = found[["index"]].merge(table, how="left", on="index")
    same = (both[["area", *_BOX]].to_numpy(float) == found[["area", *_BOX]].to_numpy(float)).all(axis=1)
    if same.all():
        return both.astype({name: kind for name, kind in table.dtypes.items() if kind.kind in "iu"})
    if EDITED not in both:
        both.insert(1, EDITED, None)
    others = [name for name in both.columns if name not in ("index", EDITED)]
    both[others] = both[others].where(np.broadcast_to(same[:, None], (len(both), len(others))))
    both.loc[~same, EDITED] = "painted"
    both[["area", *_BOX]] = found[["area", *_BOX]]
    return both
