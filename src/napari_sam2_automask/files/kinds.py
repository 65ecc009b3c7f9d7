"""What counts as an image: names that may be one, and first bytes that are one."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.raster import is_raster
from napari_sam2_automask.files.series import is_zarr
from napari_sam2_automask.files.tiff import TIFF_MARKS
from napari_sam2_automask.files.vendor import can_read
from napari_sam2_automask.files.vendor_formats import VENDOR_SUFFIXES, format_of, suffix_of
from napari_sam2_automask.files.web_address import Address
from napari_sam2_automask.files.zarr_places import ZIPPED, is_zipped_zarr

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KINDS", "SUFFIXES", "check_file", "is_candidate", "is_unreadable", "kind_of", "stem_of"]

_TIFF = (".tif", ".tiff", ".btf", ".tf2", ".tf8", ".ptif", ".ptiff", ".qptiff", ".lsm", ".stk", ".svs",
         ".ndpi", ".scn", ".bif")  # fmt: skip
#: What the names of images end in, in lower case: what a folder is searched for.
SUFFIXES = (*_TIFF, ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".npy", ".zarr", *ZIPPED)
#: What can be read, in the words of a message.
KINDS = "TIFF, PNG, JPEG, BMP, WebP, GIF, .npy or OME-Zarr"
# OME-XML that lies beside the TIFFs of a set.
_OME_XML = (".companion.ome", ".ome.xml", ".ome")
_NPY_MARK = b"\x93NUMPY"


def is_candidate(path: Path) -> bool:
    """Tell by its name alone whether a file or folder may be an image that can be read."""
    if path.name.startswith("."):
        return False
    return path.name.lower().endswith(SUFFIXES) or (suffix_of(path.name) != "" and can_read(path.name))


def is_unreadable(path: Path) -> bool:
    """Tell by its name alone whether a file may be a vendor's image that nothing reads that is installed."""
    return suffix_of(path.name) != "" and not path.name.startswith(".") and not is_candidate(path)


def stem_of(path: Path) -> str:
    """Return an image's name without what says that it is one: ``cells`` for ``cells.ome.tif``."""
    suffix = next((one for one in (*SUFFIXES, *VENDOR_SUFFIXES) if path.name.lower().endswith(one)), "")
    stem = path.name[: len(path.name) - len(suffix)]
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def check_file(path: Path) -> None:
    """Make sure that there is a regular file, or a Zarr, without opening it, which may take for ever.

    Of a web address nothing is asked.

    Raises
    ------
    ImageError
        If there is neither.
    OSError
        If that cannot be told.
    """
    if isinstance(path, Address):
        return
    if not path.exists():
        if is_zipped_zarr(path):
            return
        raise ImageError(f"there is no file {path}: check the path")
    if path.is_dir():
        if not is_zarr(path):
            raise ImageError(
                f"{path} is a folder, but no Zarr: give an image, or the path of an OME-Zarr image"
            )
    elif not stat.S_ISREG(path.stat().st_mode):
        raise ImageError(f"{path} cannot be read, it is no regular file: give an image file")


def kind_of(path: Path) -> tuple[str, bytes]:
    """Return of what kind an image is, whatever its name, and its first 32 bytes.

    Parameters
    ----------
    path : Path
        A file, the folder or the web address of a Zarr, or a path to one in a zip file.

    Returns
    -------
    {"Zarr", "vendor", "TIFF", "npy", "raster"}
        Its kind.
    bytes
        How it starts; empty for a Zarr in a folder, inside a zip or at an address.

    Raises
    ------
    ImageError
        If there is no such file, or it is no image of a known kind.
    OSError
        If it cannot be read.
    """
    check_file(path)
    if isinstance(path, Address) or not path.is_file():
        return "Zarr", b""
    with path.open("rb") as file:
        start = file.read(32)
    if not start:
        raise ImageError(f"{path} is empty (0 bytes): replace it by an image")
    # Some are TIFFs in part.
    if format_of(path.name, start) is not None:
        return "vendor", start
    if start.startswith(TIFF_MARKS):
        return "TIFF", start
    if start.startswith(_NPY_MARK):
        return "npy", start
    if is_raster(start):
        return "raster", start
    if is_zipped_zarr(path, start):
        return "Zarr", start
    if not path.name.lower().endswith(SUFFIXES) and can_read(path.name):
        return "vendor", start
    if path.name.lower().endswith(_OME_XML) and b"<" in start:
        raise ImageError(f"{path} tells of the images of a set and holds none: give one of the set's TIFFs")
    raise ImageError(f"{path} cannot be read, it is no image of a known kind: give a {KINDS} file")
