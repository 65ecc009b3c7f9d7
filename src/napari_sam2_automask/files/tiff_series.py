"""Opening a TIFF: the series in it that are images, those that are none, and planes that are nowhere."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from napari_sam2_automask.errors import AutomaskError, ImageError
from napari_sam2_automask.files.ome_files import beside
from napari_sam2_automask.files.ome_set import OmeImage, OmeSet, read_set
from napari_sam2_automask.files.tiff_chain import check_chain
from napari_sam2_automask.files.tiff_roles import role_of, without_masks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["OpenTiff", "TiffSeries", "open_tiff", "opened_tiff"]

_COMPLETE = ("imagej", "ome", "lsm", "stk", "mmstack", "ndtiff")
_MICRO_MANAGER_AXES = ("Channels", "Slices", "Positions", "Frames")


@dataclass(frozen=True, slots=True, eq=False)
class TiffSeries:
    """An image of a TIFF.

    Attributes
    ----------
    series : TiffPageSeries or None
        A series of tifffile; None of an image no plane of which is there.
    name : str
        What the file calls it.
    ome : OmeImage or None
        What OME-XML tells of it.
    masks : int
        How many masks lie among its pages, which are no planes.
    """

    series: Any
    name: str
    ome: OmeImage | None = None
    masks: int = 0

    def is_laid_out_alike(self, level: int = 0) -> bool:
        """Tell whether all pages of a level have strips or tiles of one size."""
        series = self.series.levels[level]
        layouts = {id(page.keyframe): page.keyframe.chunks for page in series if page is not None}
        return len(set(layouts.values())) <= 1

    def absent(self, level: int = 0) -> dict[int, str]:
        """Return the pages of a level that are nowhere, and the file that should hold each if it is known."""
        series = self.series.levels[level]
        # A contiguous series has all of its pages; to ask for each would cost seconds.
        if series.dataoffset is not None:
            return {}
        lost = {}
        for k, page in enumerate(series):
            if page is None:
                lost[k] = self.ome.file_of(k) if self.ome is not None else ""
            elif _is_cut_off(series, page):
                lost[k] = ""
            elif _is_another(series, page):
                lost[k] = page.parent.filename
        return lost


@dataclass(frozen=True, slots=True, eq=False)
class OpenTiff:
    """A TIFF that is open.

    Attributes
    ----------
    tiff : TiffFile
        As tifffile opens it.
    images : list of TiffSeries
        Its images.
    left_out : list of str
        What else it holds that is no image, each with its size.
    ome : OmeSet or None
        What its OME-XML tells.
    cut_off : bool
        Whether the file ends before all of its planes.
    """

    tiff: Any
    images: list[TiffSeries]
    left_out: list[str]
    ome: OmeSet | None = None
    cut_off: bool = False


def _is_cut_off(series: Any, page: Any) -> bool:
    """Tell whether a page of Micro-Manager's lies beyond the end of its file; others may be empty."""
    return series.kind == "mmstack" and not any(page.dataoffsets)


def _is_another(series: Any, page: Any) -> bool:
    """Tell whether a page, which lies in another file then, has other pixels than the image."""
    own, whole = page.keyframe, series.keyframe
    return own is not whole and (own.shape, own.dtype) != (whole.shape, whole.dtype)


@contextmanager
def opened_tiff(path: Path) -> Iterator[OpenTiff]:
    """Open a TIFF and close it again, see `open_tiff`."""
    found = open_tiff(path)
    try:
        yield found
    finally:
        found.tiff.close()


def open_tiff(path: Path) -> OpenTiff:
    """Open a TIFF, and of an OME-TIFF the files of its set that are there; who asks closes it.

    Raises
    ------
    ImageError
        If it tells of more planes than any file can hold, its images run in a circle, or a file of a
        Micro-Manager set is missing. Otherwise a damaged file raises whatever tifffile raises.
    """
    import tifffile

    cut_off = check_chain(path)
    tiff, ome = tifffile.TiffFile(path), None
    try:
        if tiff.ome_metadata:
            told = tiff.ome_metadata
            tiff.close()
            try:
                ome = read_set(path, told)
                tiff = tifffile.TiffFile(path, omexml=ome.xml)
            except AutomaskError:
                raise
            except (ParseError, LookupError, ValueError, OSError):
                # Its pages can be read all the same; no other file is opened because of it.
                tiff = tifffile.TiffFile(path, is_ome=False)
        _check_micro_manager(path, tiff)
        images, left_out = _images(tiff, ome)
        # These tell of all planes, wherever they lie: none is lost, or those that are are known.
        cut_off = cut_off and not any(one.kind in _COMPLETE for one in tiff.series)
        left_out += _elsewhere(tiff)
        if cut_off:
            left_out.append("planes beyond the end of the file, which is cut off")
        return OpenTiff(tiff, images, left_out, ome, cut_off)
    except BaseException:
        tiff.close()
        raise


def _check_micro_manager(path: Path, tiff: Any) -> None:
    """Make sure that the other files of a Micro-Manager set lie in the same folder and are regular.

    Raises
    ------
    ImageError
        If one does not; tifffile would read files elsewhere, or wait for ever.
    """
    import tifffile

    names: set[str] = set()
    if tiff.is_ndtiff:
        index = beside(path, "NDTiff.index")
        names = {"NDTiff.index"} if index is None else {one[1] for one in tifffile.read_ndtiff_index(index)}
    elif tiff.is_mmstack:
        names = {one.name for one in path.parent.glob("*_MMStack*.tif")}
    for name in sorted(names):
        found = beside(path, name)
        if found is None or found.name != name:
            raise ImageError(
                f"{path} belongs to a set whose file {name} is missing: put it into the same folder"
            )


def _elsewhere(tiff: Any) -> list[str]:
    """Return what is said of planes that Micro-Manager tells of and that are in no file of the folder."""
    if not tiff.is_mmstack or tiff.series[0].kind != "mmstack":
        return []
    told = (tiff.micromanager_metadata or {}).get("Summary", {})
    planes = math.prod(max(1, int(told.get(name, 1))) for name in _MICRO_MANAGER_AXES)
    lost = planes - len(tiff.series[0])
    return [f"{lost} planes that Micro-Manager tells of and no file here holds"] if lost > 0 else []


def _images(tiff: Any, ome: OmeSet | None) -> tuple[list[TiffSeries], list[str]]:
    """Return the images and what else there is."""
    every = [_of_ome(one, ome) for one in tiff.series]
    if ome is not None and any(one.ome is not None for one in every):
        there = {id(one.ome): one for one in every}
        missing = (TiffSeries(None, one.name, one) for one in ome.images if one.missing)
        gone = {id(one.ome): one for one in missing} | there
        every = [gone[id(one)] for one in ome.images if id(one) in gone]
    roles = ["" if one.series is None else role_of(one.series, one.name) for one in every]
    images = [one for one, role in zip(every, roles, strict=True) if not role]
    if not images:  # a label or a mask that was saved by itself
        return every, []
    left_out = [_told(role, one.series) for one, role in zip(every, roles, strict=True) if role]
    left_out += [_told("mask", one.series) for one in images for _ in range(one.masks)]
    return images, left_out


def _told(role: str, series: Any) -> str:
    return f"{role} of {series.keyframe.imagelength} x {series.keyframe.imagewidth}"


def _of_ome(series: Any, ome: OmeSet | None) -> TiffSeries:
    if ome is None or series.kind != "ome":
        kept, masks = without_masks(series)
        return TiffSeries(kept, series.name, masks=masks)
    image = ome.images[int(series.name)]
    return TiffSeries(series, image.name, image)
