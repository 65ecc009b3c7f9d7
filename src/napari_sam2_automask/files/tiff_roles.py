"""Which series of a TIFF are images; thumbnails, labels of slides, overviews and masks are none."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

__all__ = ["role_of", "without_masks"]

#: What scanners call pictures that are no image, and what others call them who convert their files.
_NAMES = re.compile(
    r"(?:slide[ _-]?)?(label|macro|thumbnail|overview|preview|barcode|map|probability)(?:[ _-]?image)?",
    re.IGNORECASE,
)
#: Those of which the first words of a page's description tell, in the files of some scanners.
_DESCRIBED = re.compile(r"^\W*(label|macro|thumbnail|overview)\b", re.IGNORECASE | re.MULTILINE)
#: Names that mean data anywhere but in the files of these scanners.
_MAPS = {"map": ("ndpi", "avs"), "probability": ("bif",)}
_MASK = 4
# To look at each page of longer stacks would take seconds.
_MOST_PAGES = 512


def role_of(series: Any, name: str) -> str:
    """Return what a series is besides an image.

    Parameters
    ----------
    series : TiffPageSeries
        A series of tifffile.
    name : str
        What the file calls it.

    Returns
    -------
    str
        Such as ``"thumbnail"``; empty for an image, a level of whose pyramid is none by itself.
    """
    page, tiff = series.keyframe, series.parent
    if _is_mask(page):
        return "mask"
    if (named := _NAMES.fullmatch(name.strip())) is not None and not _is_only_map(series, named[1]):
        return named[1].lower()
    if series.kind == "scn" and _is_scn_overview(tiff, name):
        return "overview"
    if series.kind == "bif" and name == "Unknown" and any(one.name == "Baseline" for one in tiff.series):
        return "overview"
    # Of a whole file newer versions of tifffile say so only where it is tiled.
    first = tiff.pages.first
    if (first.is_svs or first.is_philips) and (told := _DESCRIBED.search(page.description)) is not None:
        return told[1].lower()
    return "thumbnail" if page.is_reduced else ""


def _is_only_map(series: Any, named: str) -> bool:
    """Tell whether a series is called a map outside of the files of slide scanners, where it may be data."""
    return series.kind not in _MAPS.get(named.lower(), (series.kind,))


def _is_mask(page: Any) -> bool:
    return bool(page.is_mask) or (262 in page.tags and int(page.photometric) == _MASK)


def _is_scn_overview(tiff: Any, name: str) -> bool:
    """Tell whether an image of a Leica SCN shows all of the slide, which no other but the overview does."""
    from xml.etree import ElementTree

    def sides(element: Any, across: str, down: str) -> tuple[str | None, str | None]:
        return element.get(across), element.get(down)

    for collection in ElementTree.fromstring(tiff.scn_metadata).iter():
        if not collection.tag.endswith("collection"):
            continue
        whole = sides(collection, "sizeX", "sizeY")
        for image in collection:
            views = [view for view in image if view.tag.endswith("view")]
            if image.get("name", "Unknown") == name and None not in whole:
                return any(
                    sides(view, "sizeX", "sizeY") == whole
                    and sides(view, "offsetX", "offsetY") in (("0", "0"), (None, None))
                    for view in views
                )
    return False


def without_masks(series: Any) -> tuple[Any, int]:
    """Return a series without those of its pages that are masks of others, and how many of them there are."""
    if series.kind not in ("uniform", "generic") or not 1 < len(series) <= _MOST_PAGES:
        return series, 0
    kept = [page for page in series if getattr(page, "is_virtual", False) or not _is_mask(page.aspage())]
    if len(kept) in (0, len(series)):
        return series, 0
    import tifffile

    first = kept[0].keyframe
    shape, axes = (len(kept), *first.shape), "I" + first.axes
    found = tifffile.TiffPageSeries(kept, shape, np.dtype(first.dtype), axes, kind=series.kind)
    return found, len(series) - len(kept)
