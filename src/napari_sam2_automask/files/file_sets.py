"""Files that belong together: an image whose planes lie in several files is one image, not several."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.files.ome_set import read_set
from napari_sam2_automask.files.tiff import TIFF_MARKS
from napari_sam2_automask.files.tiff_series import opened_tiff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["files_read_with", "one_of_each_set"]


def files_read_with(path: Path) -> set[Path]:
    """Return the files whose planes are read when a file is: itself, and the others of its set.

    Sets are those of OME-TIFF, Micro-Manager and NDTiff. Whatever cannot be read is by itself.
    """
    import tifffile

    alone = {path}
    try:
        if not path.is_file():
            return alone
        with path.open("rb") as file:
            if not file.read(4).startswith(TIFF_MARKS):
                return alone
        with tifffile.TiffFile(path) as tiff:
            told, others = tiff.ome_metadata, tiff.is_mmstack or tiff.is_ndtiff
        if others:
            with opened_tiff(path) as opened:
                pages = (page for one in opened.images if one.series is not None for page in one.series)
                return alone | {path.parent / page.parent.filename for page in pages if page is not None}
        return read_set(path, told).paths if told and "UUID" in told else alone
    except (AutomaskError, ParseError, LookupError, ValueError, OSError):
        return alone
    except Exception:  # tifffile raises whatever it meets; whoever reads the file says what is wrong
        return alone


def one_of_each_set(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return the files that have to be read so that each plane is read once, with what is read with each.

    Parameters
    ----------
    paths : sequence of Path
        Files, no two of which are the same.

    Returns
    -------
    dict of Path to list of Path
        Those to be read, and which others of `paths` they bring.
    """
    at = {path.resolve(): path for path in paths}
    sets: dict[Path, set[Path]] = {}
    for real, path in at.items():
        # All files of a set tell of all of it.
        if any(real in others for others in sets.values()):
            continue
        together = {one.resolve() for one in files_read_with(path)}
        if len(together) > 1:
            sets[real] = together
    whole = {real: one for real, one in sets.items() if not any(one < other for other in sets.values())}
    brought = set().union(*whole.values())
    return {
        path: [at[one] for one in at if one in whole.get(real, ()) and one != real]
        for real, path in at.items()
        if real in whole or real not in brought
    }
