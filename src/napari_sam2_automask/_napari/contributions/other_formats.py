"""Labels layers in the formats of other programs, and back: behind File > Open and File > Save."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_warning

from napari_sam2_automask._napari.contributions.coco_layers import objects_of
from napari_sam2_automask._napari.contributions.layer_scale import axes_of_layer, scale_of_layer
from napari_sam2_automask._napari.layers.features import numbered
from napari_sam2_automask._napari.live import whole_masks
from napari_sam2_automask._napari.live.current_table import current_table
from napari_sam2_automask.disk.json_file import COCO_LIMIT, read_json
from napari_sam2_automask.errors import FormatError, ImageError
from napari_sam2_automask.files.formats import zarr_labels
from napari_sam2_automask.files.formats.cellpose import read_cellpose
from napari_sam2_automask.files.formats.exporting import export
from napari_sam2_automask.files.formats.geojson import is_geojson, read_geojson
from napari_sam2_automask.files.formats.imagej import holds_rois, read_rois
from napari_sam2_automask.files.formats.outlined import Outlined, Outlines

if TYPE_CHECKING:
    from collections.abc import Callable

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = [
    "read_outlined", "write_anndata", "write_cellpose", "write_coco_polygons", "write_geojson",
    "write_imagej", "write_yolo", "write_zarr_labels",
]  # fmt: skip

_READERS: dict[str, Callable[[Path], Outlines]] = {
    ".zip": read_rois,
    ".roi": read_rois,
    ".geojson": read_geojson,
    "_seg.npy": read_cellpose,
}


def _write(form: str, path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer; whole masks where they are known and nobody edited the object.

    Parameters
    ----------
    form : str
        One of `FORMATS`.
    path : str
        The file.
    data : (Y, X) or (P, Y, X) int array
        The labels.
    meta : dict
        The layer's other attributes.

    Returns
    -------
    list of str
        The file written.

    Raises
    ------
    FormatError
        If the format cannot hold them; nothing is written then.
    OutputError
        If the file cannot be written.
    """
    labels, name = np.asarray(data), str(meta.get("name") or "labels")
    if labels.ndim not in (2, 3):
        raise FormatError(f"{name} has {labels.ndim} axes, and this format holds two or three: save as TIFF")
    axes = axes_of_layer(meta, labels.ndim)
    axis = "t" if axes[0] == "T" else "z"
    outlines = Outlines.of_labels(labels, name, current_table(labels, meta), axis)
    masks = whole_masks.masks_of(meta.get("metadata", {}))
    if masks is not None:
        objects = tuple(Outlined(label, None, placed) for label, placed in objects_of(labels, masks))
        outlines = Outlines(name, outlines.shape, objects, painted=labels, table=outlines.table)
    export(outlines, path, form, scale=scale_of_layer(meta, axis.upper() + "YX" if labels.ndim > 2 else axes))
    return [path]


write_imagej = partial(_write, "imagej")
write_geojson = partial(_write, "geojson")
write_coco_polygons = partial(_write, "coco-polygons")
write_yolo = partial(_write, "yolo")
write_cellpose = partial(_write, "cellpose")
write_anndata = partial(_write, "anndata")


def write_zarr_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer into the OME-Zarr of its image, called like the layer, or into a new ``.ozx``.

    Raises
    ------
    FormatError, ImageError, OutputError
        If that is no OME-Zarr image, or the labels are not of its shape, or have a name that is taken.
    """
    if path.lower().endswith(".ozx") and not Path(path).exists():
        return _write("ozx", path, data, meta)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(meta.get("name") or "labels")).lstrip(".-")[:100] or "labels"
    return [str(zarr_labels.write_zarr_labels(Path(path), np.asarray(data), name))]


def read_outlined(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return what reads ImageJ ROI sets, GeoJSON and Cellpose's masks, or None for anything else."""
    paths = [path] if isinstance(path, str) else path
    return _read if paths and all(_reader(Path(one)) for one in paths) else None


def _reader(path: Path) -> Callable[[Path], Outlines] | None:
    name = path.name.lower()
    if name.endswith(".json"):
        try:
            return (
                read_geojson if is_geojson(read_json(path, "GeoJSON", ImageError, limit=COCO_LIMIT)) else None
            )
        except ImageError:
            return None
    if name.endswith(".zip") and not holds_rois(path):
        return None
    return next((read for ending, read in _READERS.items() if name.endswith(ending)), None)


def _read(path: str | list[str]) -> list[LayerData]:
    """Return one Labels layer per file."""
    return [_layer(Path(one)) for one in ([path] if isinstance(path, str) else path)]


def _layer(path: Path) -> LayerData:
    read = _reader(path)
    assert read is not None
    found = read(path)
    if found.left_out:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.left_out.items())
        show_warning(f"{path.name}: left out {reasons}")
    attributes: dict[str, Any] = {"name": path.name.split(".")[0]}
    if found.table is not None:
        attributes["features"] = numbered(found.table)
    return found.labels(), attributes, "labels"
