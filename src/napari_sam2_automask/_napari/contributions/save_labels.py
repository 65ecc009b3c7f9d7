"""Labels layers to files, with the record of how they were made beside them: behind File > Save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.contributions.layer_scale import axes_of_layer, scale_of_layer
from napari_sam2_automask._napari.live import whole_masks
from napari_sam2_automask._napari.live.current_table import current_table
from napari_sam2_automask.disk.atomic import write_all
from napari_sam2_automask.disk.json_file import json_bytes
from napari_sam2_automask.files import labels_tiff as tiff

if TYPE_CHECKING:
    from typing import IO

    from napari_sam2_automask.disk.atomic import Content

__all__ = ["write_labels"]


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer as TIFF, its table as CSV and its record as JSON beside it.

    Parameters
    ----------
    path : str
        The TIFF file; the others are called like it and end in ``.csv`` and ``.record.json``.
    data : (..., Y, X) int array
        The labels.
    meta : dict
        The layer's other attributes.

    Returns
    -------
    list of str
        The files written. A layer without table or record gives none of these.

    Raises
    ------
    OutputError
        If one cannot be written; then files that were there before are still there.
    """
    labels = Path(path)
    stem = labels.with_suffix("")
    metadata, table = meta.get("metadata", {}), current_table(np.asarray(data), meta)
    record = whole_masks.record_of(metadata)
    files: dict[Path, Content] = {}
    if table is not None and len(table.columns):
        files[stem.with_name(stem.name + ".csv")] = lambda file: table.to_csv(file, index=False)
    if record:
        files[stem.with_name(stem.name + ".record.json")] = json_bytes(record)
    files[labels] = lambda file: _write_tiff(file, np.asarray(data), meta)
    write_all(files)
    return [str(file) for file in files]


def _write_tiff(file: IO[bytes], labels: np.ndarray[Any, Any], meta: dict[str, Any]) -> None:
    axes = axes_of_layer(meta, labels.ndim)
    scale = scale_of_layer(meta, axes)
    tiff.write_labels(file, labels, axes, scale.size, scale.seconds)
