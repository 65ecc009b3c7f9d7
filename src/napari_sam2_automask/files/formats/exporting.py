"""The formats of other programs by name: what each is called, and what writes it."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.json_file import json_bytes
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.files.formats.anndata_file import h5ad
from napari_sam2_automask.files.formats.cellpose import cellpose_npy
from napari_sam2_automask.files.formats.coco_polygons import coco_polygons_of
from napari_sam2_automask.files.formats.geojson import geojson_of
from napari_sam2_automask.files.formats.imagej import rois_zip
from napari_sam2_automask.files.formats.label_pyramid import labels_ozx
from napari_sam2_automask.files.formats.outlined import Outlines
from napari_sam2_automask.files.formats.yolo import yolo_text
from napari_sam2_automask.painting.segmentation import Segmentation
from napari_sam2_automask.settings.numbers import shown

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.files.pixel_size import FileScale

__all__ = ["FORMATS", "INTO_IMAGE", "Format", "check_formats", "export"]


class Format(NamedTuple):
    """A format.

    Attributes
    ----------
    title : str
        The words for it.
    ending : str
        How files end.
    stacks : bool
        Whether it holds stacks.
    content : callable
        What gives the bytes.
    extra : str
        The package that writes it, and our extra that it comes with, if it needs one.
    """

    title: str
    ending: str
    stacks: bool
    content: Callable[[Outlines], bytes]
    extra: str = ""


#: By the names that the command line takes.
FORMATS = {
    "imagej": Format("ImageJ ROI set", ".rois.zip", True, rois_zip),
    "geojson": Format("QuPath GeoJSON", ".geojson", True, lambda one: json_bytes(geojson_of(one), None)),
    "coco-polygons": Format(
        "COCO JSON with polygons",
        ".polygons.coco.json",
        False,
        lambda one: json_bytes(coco_polygons_of(one), None),
    ),
    "yolo": Format("YOLO text", ".yolo.txt", False, yolo_text),
    "ozx": Format("zipped OME-Zarr", ".labels.ozx", True, labels_ozx),
    "anndata": Format("AnnData", ".h5ad", True, h5ad, "anndata"),
    "cellpose": Format("Cellpose _seg.npy", "_seg.npy", True, cellpose_npy),
}
#: What writes labels into the OME-Zarr of their image, which is no file of its own.
INTO_IMAGE = "ome-zarr-labels"


def check_formats(names: Iterable[str], more: Iterable[str] = ()) -> tuple[str, ...]:
    """Return names of formats, each once; `more` are known besides `FORMATS`.

    Raises
    ------
    SettingsError
        If one is unknown, or the package is not there that writes it.
    """
    found = tuple(dict.fromkeys(names))
    known = (*FORMATS, *more)
    for name in found:
        if name not in known:
            raise SettingsError(f"no format named {shown(name)}: choose from {', '.join(known)}")
        extra = FORMATS[name].extra if name in FORMATS else ""
        if extra and find_spec(extra) is None:
            raise SettingsError(
                f"{FORMATS[name].title} is written by a package that is not there: pip install "
                f"'napari-sam2-automask[{extra}]'"
            )
    return found


def export(
    objects: Segmentation | Outlines | NDArray[np.integer[Any]],
    path: str | os.PathLike[str],
    form: str,
    *,
    name: str | None = None,
    table: pd.DataFrame | None = None,
    axis: str = "z",
    scale: FileScale | None = None,
) -> Path:
    """Write objects in a format of another program.

    Parameters
    ----------
    objects : Segmentation, Outlines, or (Y, X) or (P, Y, X) int array
        A segmentation's whole masks where the format has outlines, else its labels; or a label image.
    path : path
        The file; one that exists is replaced.
    form : str
        One of `FORMATS`.
    name : str, optional
        The image's file name; that of the path when left out.
    table : DataFrame, optional
        What was measured of a label image, for formats that hold measures.
    axis : {"z", "t"}
        What the planes of a stack are.
    scale : FileScale, optional
        How large the pixels are and where they lie, see `scale_in_file`, for formats that hold it; the size
        that a segmentation's record tells if left out.

    Raises
    ------
    FormatError
        If the format cannot hold the objects; before anything is written.
    SettingsError
        If there is no such format.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    (form,) = check_formats([form])
    called = name or path.name
    if isinstance(objects, Segmentation):
        objects = Outlines.of_segmentation(objects, called)
    elif not isinstance(objects, Outlines):
        objects = Outlines.of_labels(objects, called, table, axis)
    if scale is not None:
        objects = replace(objects, scale=scale)
    write_one(path, FORMATS[form].content(objects))
    return path
