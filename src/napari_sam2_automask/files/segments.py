"""Strips and tiles of a TIFF that are whole pictures: what size they claim, before memory is made for it."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["bound_decoder", "claimed_size"]

# Tiles at an edge, and strips with rows to spare, need not be of the size that the page says.
_TOLERATED = 4
_SMALL = 2**22
#: Start-of-frame markers of JPEG, lossless ones and that of JPEG-LS among them.
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_J2K = b"\xff\x4f\xff\x51"
_LERC = 34887
_LERC_2, _LERC_1 = b"Lerc2 ", b"CntZImage "
_ZSTD = b"\x28\xb5\x2f\xfd"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def bound_decoder(path: Path, series: Any) -> None:
    """Let the decoders of a series refuse strips and tiles that claim to be far larger than they may be.

    Parameters
    ----------
    path : Path
        What to call the file.
    series : TiffPageSeries
        A level of a series of tifffile. Compressions whose decoders are told how much to decode stay as
        they are.
    """
    from tifffile import TIFF

    # The decoder of LERC does not heed how much it is told.
    if series.keyframe.compression not in {*TIFF.IMAGE_COMPRESSIONS, _LERC}:
        return
    for keyframe in {id(page.keyframe): page.keyframe for page in series if page is not None}.values():
        keyframe.decode = _bounded(path, keyframe)


def _bounded(path: Path, page: Any) -> Callable[..., Any]:
    decode = page.decode
    # Strips have as many rows as the page if it has fewer.
    height, width = (
        (page.tilelength, page.tilewidth)
        if page.is_tiled
        else (min(page.rowsperstrip, page.imagelength), page.imagewidth)
    )
    most = max(_TOLERATED * height * width, _SMALL)
    is_lerc = page.compression == _LERC
    most_bytes = most * page.samplesperpixel * page.dtype.itemsize if is_lerc else 0

    def decode_if_small(data: bytes | None, *args: Any, **more: Any) -> Any:
        if data is None:
            return decode(data, *args, **more)
        size = _of_lerc(data, most_bytes) if is_lerc else claimed_size((more.get("jpegheader") or b"") + data)
        if size is not None and size[0] * size[1] > most:
            raise ImageError(
                f"{path} has a strip or tile of {height} x {width} pixels that claims {size[0]} x {size[1]}: "
                "replace the file, it is damaged"
            )
        return decode(data, *args, **more)

    return decode_if_small


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of an encoded picture by its header; None if that does not tell.

    Parameters
    ----------
    data : bytes
        A JPEG, JPEG-LS, JPEG 2000, JPEG XL, JPEG XR, PNG or WebP.
    """
    try:
        if data.startswith(b"\x89PNG"):
            return _pair(">II", data, 16)
        if data.startswith(b"RIFF"):
            return _of_webp(data)
        if data.startswith(b"\xff\x0a") or data[4:8] == b"JXL ":
            return _of_jpeg_xl(data)
        if data.startswith(b"II\xbc"):
            return _of_jpeg_xr(data)
        # JPEG 2000 lies in boxes, or begins at once.
        if data.startswith(_J2K) or data[4:8] == b"jP  ":
            return _of_jpeg_2000(data)
        return _of_jpeg(data) if data.startswith(b"\xff\xd8") else None
    except (IndexError, struct.error):
        return None


def _pair(form: str, data: bytes, offset: int) -> tuple[int, int]:
    """Return width and height as they are stored, the other way round."""
    width, height = struct.unpack_from(form, data, offset)
    return height, width


def _of_jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return height, width
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _of_jpeg_2000(data: bytes) -> tuple[int, int] | None:
    at = data.find(_J2K)
    if at < 0:
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    return bottom - top, right - left


def _of_webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return height, width
    if kind == b"VP8 ":
        height, width = _pair("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    bits = struct.unpack_from("<I", data, 21)[0]
    return ((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1


def _of_jpeg_xl(data: bytes) -> tuple[int, int] | None:
    at = 0
    if data[4:8] == b"JXL ":
        at = data.find(b"\xff\x0a", 12)
        if at < 0:
            return None
    bits = int.from_bytes(data[at + 2 : at + 16], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height, ratio = side(), take(3)
    if not ratio:
        return height, side()
    wide, high = _RATIOS[ratio - 1]
    return height, height * wide // high


def _of_lerc(data: bytes, most: int) -> tuple[int, int] | None:
    """Return height, of all bands one below the other, and width of a LERC picture, packed or not."""
    size = _unpacked_size(data, most)
    if size > most:
        return size, 1
    if data.startswith(_ZSTD):
        import imagecodecs

        data = bytes(imagecodecs.zstd_decode(data, out=size)) if size else b""
    elif data[:1] == b"\x78":
        data = zlib.decompressobj().decompress(data, most)
    try:
        if data.startswith(_LERC_1):
            height, width = struct.unpack_from("<ii", data, 18)
            return height * data.count(_LERC_1), width
        if not data.startswith(_LERC_2):
            return None
        version = struct.unpack_from("<i", data, 6)[0]
        height, width, depth = struct.unpack_from("<iii", data, 14 if version > 2 else 10)
        return height * data.count(_LERC_2) * (depth if version > 3 else 1), width
    except struct.error:
        return None


def _unpacked_size(data: bytes, most: int) -> int:
    """Return how many bytes come of what zstd or zlib packed; a number above `most` if they are more."""
    if data.startswith(_ZSTD) and len(data) > 4:
        flags = data[4]
        alone = bool(flags & 0x20)
        length = (int(alone), 2, 4, 8)[flags >> 6]
        at = 5 + (not alone) + (0, 1, 2, 4)[flags & 3]
        size = int.from_bytes(data[at : at + length], "little") + (256 if length == 2 else 0)
        return size if length else most + 1
    if data[:1] == b"\x78":
        unpacking = zlib.decompressobj()
        try:
            return len(unpacking.decompress(data, most + 1))
        except zlib.error:
            return 0
    return 0


def _of_jpeg_xr(data: bytes) -> tuple[int, int] | None:
    start = struct.unpack_from("<I", data, 4)[0]
    found = {}
    for entry in range(struct.unpack_from("<H", data, start)[0]):
        tag, kind, _, value = struct.unpack_from("<HHII", data, start + 2 + 12 * entry)
        found[tag] = value & 0xFFFF if kind == 3 else value
    return (found[0xBC81], found[0xBC80]) if {0xBC80, 0xBC81} <= found.keys() else None
