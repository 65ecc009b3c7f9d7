"""Formats of microscope makers: how their files are called, how they start, and what reads them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["EXTRA", "IN_EXTRA", "VENDOR_SUFFIXES", "VendorFormat", "format_of", "suffix_of"]

#: What installs the readers of vendor files.
EXTRA = "pip install 'napari-sam2-automask[bioio]'"
#: What it reads.
IN_EXTRA = (".czi", ".nd2", ".lif", ".oib", ".oif")
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TEXT = (b"[", b"\xff\xfe[", b"\xef\xbb\xbf[")


class VendorFormat(NamedTuple):
    """A format of a maker of microscopes.

    Attributes
    ----------
    name : str
        What people call it.
    suffixes : tuple of str
        What its files end in, in lower case.
    starts : tuple of bytes
        How such files start; any way if there are none.
    marked : bool
        Whether files that start so are of this format, whatever their name.
    """

    name: str
    suffixes: tuple[str, ...]
    starts: tuple[bytes, ...] = ()
    marked: bool = False


_FORMATS = (
    VendorFormat("Zeiss CZI", (".czi",), (b"ZISRAWFILE",), marked=True),
    VendorFormat("Nikon ND2", (".nd2",), (b"\xda\xce\xbe\x0a",), marked=True),
    VendorFormat("Nikon ND2", (".nd2",), (b"\0\0\0\x0cjP  ",)),
    VendorFormat("Leica LIF", (".lif",), (b"\x70\0\0\0",)),
    VendorFormat("Olympus OIB", (".oib",), (_COMPOUND,)),
    VendorFormat("Olympus OIF", (".oif",), _TEXT),
    VendorFormat("Olympus VSI", (".vsi",)),
    VendorFormat("Imaris", (".ims",), (b"\x89HDF\r\n\x1a\n",)),
    VendorFormat("Leica LOF", (".lof",), (b"\x70\0\0\0",)),
    VendorFormat("Leica XLEF", (".xlef",)),
    VendorFormat("DeltaVision", (".dv", ".r3d")),
    VendorFormat("SlideBook", (".sld", ".sldy")),
    VendorFormat("Zeiss ZVI", (".zvi",), (_COMPOUND,)),
)
#: What names of vendor files end in, in lower case.
VENDOR_SUFFIXES = tuple(dict.fromkeys(suffix for one in _FORMATS for suffix in one.suffixes))


def suffix_of(name: str) -> str:
    """Return what the name of a vendor file ends in, empty if it is none."""
    return next((one for one in VENDOR_SUFFIXES if name.lower().endswith(one)), "")


def format_of(name: str, start: bytes) -> VendorFormat | None:
    """Return which vendor's format a file has, by its first bytes, and by its name where they are shared."""
    suffix = suffix_of(name)
    return next(
        (
            one
            for one in _FORMATS
            if (one.marked or suffix in one.suffixes) and (not one.starts or start.startswith(one.starts))
        ),
        None,
    )
