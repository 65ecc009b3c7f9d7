"""Pictures and labels that this package wrote: marked when they are written, and known by that again."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.files.series import attributes_of, is_zarr
from napari_sam2_automask.files.tiff import TIFF_MARKS
from napari_sam2_automask.files.tiff_chain import check_chain
from napari_sam2_automask.files.zarr_places import is_zipped_zarr
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.record.record import Record
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RECORD", "SOFTWARE", "has_own_mark", "is_own_result", "save_sheet"]

#: What TIFFs and PNGs of this package name as the software that wrote them.
SOFTWARE = "napari-sam2-automask"
#: Under this name the record of a run lies in the attributes of an OME-Zarr.
RECORD = "sam2_automask"


def save_sheet(file: IO[bytes], page: Any) -> None:
    """Write a Pillow image that shows results as a PNG that is known again."""
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    told.add_text("Software", SOFTWARE)
    page.save(file, "PNG", pnginfo=told)


def has_own_mark(path: Path) -> bool:
    """Tell whether a file says that it is a TIFF of this package; what cannot be read says nothing."""
    import tifffile

    try:
        check_regular(path)
        with tifffile.TiffFile(path) as tiff:
            return bool(tiff.pages.first.software == SOFTWARE)
    except Exception:  # whoever reads the file says what is wrong with it
        return False


def is_own_result(path: Path) -> bool:
    """Tell whether a file or Zarr is a result of this package, whatever its name; labels in any OME-Zarr too.

    What cannot be read is none.
    """
    name = path.name.lower()
    try:
        if path.is_dir():
            own = "_labels.ome.zarr", ".labels.ome.zarr", "_labels.zarr"
            return name.endswith(own) or _holds_labels(path)
        if not path.is_file():
            return is_zipped_zarr(path) and _holds_labels(path)  # to open a pipe may take for ever
        if name.endswith((".labels.tif", ".levels.tif", "_seg.npy", ".labels.ozx")):
            return True
        with path.open("rb") as file:
            start = file.read(1024)
        if is_zipped_zarr(path, start):
            return _holds_labels(path)
        if start.startswith(TIFF_MARKS):
            return _is_own_tiff(path)
        return name.endswith(".png") and (f"tEXtSoftware\0{SOFTWARE}".encode() in start or _is_sheet(path))
    except (OSError, ValueError):  # a name may be longer than a file's can be
        return False


def _holds_labels(path: Path) -> bool:
    try:
        attributes = attributes_of(path) if is_zarr(path) else {}
    except AutomaskError:
        return False
    told = (attributes, attributes.get("ome"))
    return RECORD in attributes or any(isinstance(one, dict) and "image-label" in one for one in told)


def _is_own_tiff(path: Path) -> bool:
    import tifffile

    if has_own_mark(path):
        return True
    try:
        # An image whose results lie beside it has a record beside it as well, and so do labels saved by hand.
        record = path.with_name(f"{path.stem}.record.json")
        if not record.is_file() or path.with_name(f"{path.stem}.labels.tif").exists():
            return False
        check_chain(path)
        return Record.read(record).labels_sha256 == image_hash(np.asarray(tifffile.imread(path)))
    except Exception:  # whoever reads the file says what is wrong with it
        return False


def _is_sheet(path: Path) -> bool:
    """Tell whether a PNG is called, and accompanied, like a sheet of a sweep or of the demo."""
    stem, _, what = path.stem.rpartition(".")
    if what == "outlines":
        return path.with_name(f"{stem}.labels.tif").exists()
    return what in AmgSettings.__dataclass_fields__ and path.with_suffix(".csv").exists()
