"""The chain of images in a TIFF: each directory says where the next lies, in a damaged file without end."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_chain"]

_CLASSIC, _BIG = 42, 43
#: Beyond this, offsets of four bytes are no places any more; NDPI writes more bytes elsewhere then.
_REACH = 1 << 32


class _Layout(NamedTuple):
    """How the header, the count of tags and the next place are written (TIFF 6.0, section 2; BigTIFF)."""

    first: int
    tags: struct.Struct
    tag: int
    place: struct.Struct


def check_chain(path: Path) -> bool:
    """Make sure that the images of a TIFF come to an end.

    Returns
    -------
    bool
        Whether the file ends before they do: the chain of its directories leads beyond it.

    Raises
    ------
    ImageError
        If the chain of its directories runs in a circle: tifffile would read them for ever.
    OSError
        If the file cannot be read.
    """
    twice, cut_off = _walk(path)
    if twice is not None:
        raise ImageError(
            f"{path.name} is damaged: its list of images runs in a circle (the one at byte {twice:,} comes "
            "twice). Save it anew from where it came"
        )
    return cut_off


def _walk(path: Path) -> tuple[int | None, bool]:
    """Return where the directory lies that comes twice, and whether one lies beyond the end of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        if order is None or len(head) < 16:
            return None, False
        (kind,) = struct.unpack_from(f"{order}H", head, 2)
        if kind == _BIG:
            layout = _Layout(8, struct.Struct(f"{order}Q"), 20, struct.Struct(f"{order}Q"))
        elif kind == _CLASSIC and size < _REACH:
            layout = _Layout(4, struct.Struct(f"{order}H"), 12, struct.Struct(f"{order}I"))
        else:
            return None, False
        (place,) = layout.place.unpack_from(head, layout.first)
        seen = set()
        while 0 < place < size:
            if place in seen:
                return int(place), False
            seen.add(place)
            file.seek(place)
            tags = file.read(layout.tags.size)
            if len(tags) < layout.tags.size:
                return None, True
            end = place + layout.tags.size + layout.tag * layout.tags.unpack(tags)[0]
            if end + layout.place.size > size:
                return None, True
            file.seek(end)
            (place,) = layout.place.unpack(file.read(layout.place.size))
        return None, place > 0
