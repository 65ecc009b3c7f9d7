"""Files of microscope makers: what reads them if it is installed, and what is said where nothing does."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.bioio_images import VendorImage, images_by_bioio, plugins_for
from napari_sam2_automask.files.vendor_formats import EXTRA, IN_EXTRA, format_of, suffix_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["can_read", "how_to_read", "vendor_images"]

_OLYMPUS = (".oib", ".oif")
_CONVERT = "convert to OME-TIFF (Fiji does)"


def can_read(name: str) -> bool:
    """Tell whether something that is installed reads vendor files of such a name."""
    return _by_oiffile(name) or bool(plugins_for(name))


def how_to_read(suffix: str) -> str:
    """Return what to do to have files read whose names end so."""
    if suffix in IN_EXTRA:
        return f"{EXTRA}, or {_CONVERT}"
    return f"{_CONVERT}, or install a plugin of bioio that reads {suffix}"


def vendor_images(path: Path, start: bytes) -> tuple[VendorImage, ...]:
    """Return the images of a vendor file.

    Parameters
    ----------
    path : Path
        The file.
    start : bytes
        How it starts.

    Raises
    ------
    ImageError
        If nothing that is installed reads such files, or what does cannot read this one.
    """
    told = path.stat()
    return _images(path, start, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=16)
def _images(path: Path, start: bytes, *state: int) -> tuple[VendorImage, ...]:
    """Ask once for each state of a file: it may have a thousand scenes, asked for one by one."""
    found = format_of(path.name, start)
    name = path.name if found is None or suffix_of(path.name) in found.suffixes else found.suffixes[0]
    if _by_oiffile(name):
        from napari_sam2_automask.files.oif_images import image_by_oiffile

        return (VendorImage(*image_by_oiffile(path)),)
    failed: ImageError | None = None
    for plugin in plugins_for(name):
        try:
            return tuple(images_by_bioio(path, plugin))
        except ImageError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    kind = found.name if found is not None else "vendor's"
    raise ImageError(
        f"{path} is a {kind} file, which cannot be read as it is: {how_to_read(suffix_of(name))}"
    )


def _by_oiffile(name: str) -> bool:
    return suffix_of(name) in _OLYMPUS and find_spec("oiffile") is not None
