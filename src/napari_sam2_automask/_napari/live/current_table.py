"""The table of objects of a layer that is to be saved, as its labels are now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.layers.features import objects_of, remeasured
from napari_sam2_automask._napari.live import whole_masks
from napari_sam2_automask._napari.run.place_result import RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["current_table"]


def current_table(labels: NDArray[Any], meta: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return a row for each object of the labels as they are now, edited or not; None where nothing is known.

    Parameters
    ----------
    labels : int array
        The data of a Labels layer.
    meta : mapping
        Its other attributes, as napari gives them to a writer.
    """
    following = whole_masks.known(meta.get("metadata", {}))
    if following is not None and (fresh := following.measured(labels)) is not None:
        return fresh
    table = meta.get("features")
    return None if table is None else remeasured(objects_of(table), _as_measured(labels, meta))


def _as_measured(labels: NDArray[Any], meta: Mapping[str, Any]) -> NDArray[Any]:
    """Return labels of an image with the rows and columns that the run was shown, as its table has them."""
    record = meta.get("metadata", {}).get(RECORD_KEY)
    viewer = record.get("viewer") if isinstance(record, dict) else None
    axes = viewer.get("rows_columns") if isinstance(viewer, dict) else None
    turned = labels.ndim == 2 and isinstance(axes, list | tuple) and len(axes) == 2 and axes[0] > axes[1]
    return labels.T if turned else labels
