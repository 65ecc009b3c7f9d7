"""What the samples of a TIFF are: gray, channels, or colours, which become RGB whatever they were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.files.tiff_axes import letters_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Samples", "samples_of"]

_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR, _LAB, _ICC_LAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
_LINEAR_RAW, _DEPTH = 34892, 51177
#: What microscopes and ImageJ write are measured values: a palette says how to show them, not what they are.
_MEASURED = frozenset(
    {"ome", "imagej", "lsm", "stk", "fluoview", "nih", "scanimage", "mmstack", "ndtiff", "sis"}
)
# Linear sRGB of XYZ with the white of ICC profiles, and that white.
_RGB_OF_XYZ = np.array([
    [3.13386, -1.61687, -0.49061], [-0.97877, 1.91614, 0.03345], [0.07195, -0.22899, 1.40524]
], np.float32)  # fmt: skip
_ICC_WHITE = np.array([0.96422, 1.0, 0.82521], np.float32)


@dataclass(frozen=True)
class Samples:
    """What is made of the samples of a TIFF's pixels.

    Attributes
    ----------
    axes : str
        The axes: S is that of colours; an axis of channels is called C if no other is.
    shape : tuple of int
        The shape.
    dtype : dtype
        The pixels' type.
    convert : callable or None
        Takes pixels as they are stored, their samples last; returns gray, or channels or colours last.
    axis : int or None
        The axis of samples as they are stored, if there is one.
    refused : str
        What they are, if nothing is made of them.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    convert: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    axis: int | None = None
    refused: str = ""

    def with_last(self, count: int, convert: Callable[[NDArray[Any]], NDArray[Any]]) -> Samples:
        """Return the same with `count` colours."""
        at = self.axes.index("S")
        return replace(self, shape=(*self.shape[:at], count, *self.shape[at + 1 :]), convert=convert)


def samples_of(series: Any) -> Samples:
    """Return what the samples of a series of tifffile are, by its photometric interpretation."""
    page, dtype = series.keyframe, np.dtype(series.dtype).newbyteorder("=")
    axes = letters_of(series.axes)
    axis = axes.index("S") if "S" in axes else None
    stored = Samples(axes, tuple(map(int, series.shape)), dtype, axis=axis)
    count = 1 if axis is None else stored.shape[axis]
    kind = int(page.photometric) if 262 in page.tags else _BLACK_IS_0
    if kind == _PALETTE and series.kind not in _MEASURED and count == 1 and page.colormap is not None:
        table = _palette(page.colormap)
        return Samples(stored.axes + "S", (*stored.shape, 3), table.dtype, partial(_coloured, table))
    # tifffile stores True as 1, and says that 1 is black.
    of_tifffile = series.kind == "shaped" and dtype == np.bool_
    if (kind in (_RGB, _LINEAR_RAW) and count < 3) or of_tifffile:
        kind = _BLACK_IS_0
    if kind in (_WHITE_IS_0, _BLACK_IS_0, _MASK, _DEPTH) or (kind == _PALETTE and series.kind in _MEASURED):
        return _gray(stored, page, count, kind == _WHITE_IS_0)
    bits = page.bitspersample
    if kind == _RGB and count >= 3 and dtype == np.uint8 and isinstance(bits, int) and 1 < bits < 8:
        # Colours of 8 bits are seen as they are, and those of fewer would be nearly black.
        full = 255 / (2**bits - 1)
        return stored.with_last(min(count, 4), lambda pixels: np.rint(pixels[..., :4] * full))
    if kind in (_RGB, _LINEAR_RAW) or (kind == _YCBCR and _is_decoded(page)):
        return stored if count < 5 else stored.with_last(3, lambda pixels: np.array(pixels[..., :3]))
    convert = _conversion(kind, page, count) if dtype in (np.uint8, np.uint16) else None
    if convert is None:
        return replace(stored, refused=str(getattr(page.photometric, "name", kind)))
    return stored.with_last(3, convert)


def _is_decoded(page: Any) -> bool:
    """Tell whether the codec's decoder makes RGB of YCbCr."""
    from tifffile import TIFF

    return page.compression in TIFF.IMAGE_COMPRESSIONS and page.planarconfig == 1 and not page.extrasamples


def _gray(stored: Samples, page: Any, count: int, white_is_0: bool) -> Samples:
    """Return gray, or channels if there are several samples; alpha is left out."""
    kept = max(1, count - sum(int(extra) in (1, 2) for extra in page.extrasamples))
    # White is the largest value then; bits that are not used stay so.
    top = 2**page.bitspersample - 1 if stored.dtype.kind == "u" else -1
    if white_is_0 and stored.dtype.kind == "f":
        return replace(stored, refused="floats of which the smallest is white")

    def convert(pixels: NDArray[Any]) -> NDArray[Any]:
        if "S" in stored.axes:
            pixels = np.array(pixels[..., :kept] if kept > 1 else pixels[..., 0])
        if not white_is_0:
            return pixels
        return ~pixels if stored.dtype.kind == "b" else stored.dtype.type(top) - pixels

    found = replace(stored, convert=convert if white_is_0 or kept < count else None)
    if "S" not in stored.axes:
        return found
    letter = next(letter for letter in "Ccdefgh" if letter not in stored.axes) if kept > 1 else ""
    at = stored.axes.index("S")
    shape = (*stored.shape[:at], *([kept] if kept > 1 else []), *stored.shape[at + 1 :])
    return replace(found, axes=stored.axes.replace("S", letter), shape=shape)


def _coloured(table: NDArray[Any], pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the colours of numbers in a palette; tifffile has those of one bit as False and True."""
    colours: NDArray[Any] = table[pixels.view(np.uint8) if pixels.dtype == np.bool_ else pixels]
    return colours


def _palette(colours: NDArray[Any]) -> NDArray[Any]:
    """Return a palette, stored as (3, colours) of 16 bits, as (colours, 3); of 8 bits if it has no more."""
    table = np.ascontiguousarray(np.asarray(colours, np.uint16).T)
    if (table < 256).all():  # some programs forget the shift
        return table.astype(np.uint8)
    low = table & 255
    return (table >> 8).astype(np.uint8) if not low.any() or (low == table >> 8).all() else table


def _conversion(kind: int, page: Any, count: int) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """Return what makes RGB of pixels of 8 or 16 bits, of the same type; None if nothing does."""
    if kind == _CMYK and count >= 4 and page.tags.valueof(332, 1) == 1:  # the inks are those four
        return _rgb_of_cmyk
    if kind == _YCBCR and count >= 3 and page.subsampling == (1, 1):
        red, green, blue = _fractions(page.tags.valueof(529)) or (0.299, 0.587, 0.114)
        levels = _fractions(page.tags.valueof(532))
        return lambda pixels: _rgb_of_ycbcr(pixels, (red, green, blue), levels)
    if kind in (_LAB, _ICC_LAB) and count >= 3:
        return lambda pixels: _rgb_of_lab(pixels, kind == _ICC_LAB)
    return None


def _fractions(value: Any) -> tuple[float, ...] | None:
    """Return the numbers of a tag of numerators and denominators; None if it is not there or damaged."""
    if value is None or 0 in value[1::2]:
        return None
    return tuple(top / bottom for top, bottom in zip(value[::2], value[1::2], strict=True))


def _stored_again(shares: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return colours from 0 to 1 as integers."""
    integers: NDArray[Any] = np.rint(np.clip(shares, 0, 1) * np.iinfo(dtype).max).astype(
        dtype.newbyteorder("=")
    )
    return integers


def _rgb_of_cmyk(pixels: NDArray[Any]) -> NDArray[Any]:
    shares: NDArray[Any] = 1 - pixels[..., :4].astype(np.float32) / np.iinfo(pixels.dtype).max
    return _stored_again(shares[..., :3] * shares[..., 3:], pixels.dtype)


def _rgb_of_ycbcr(
    pixels: NDArray[Any], luma: tuple[float, float, float], levels: tuple[float, ...] | None
) -> NDArray[Any]:
    """Convert by the luminance of the colours and the levels of black and white (TIFF 6, section 21)."""
    top = float(np.iinfo(pixels.dtype).max)
    middle = (top + 1) / 2
    if (
        levels is None
        or len(levels) != 6
        or 0 in (one - other for one, other in zip(levels[1::2], levels[::2], strict=True))
    ):
        levels = (0, top, middle, top, middle, top)
    black, white = np.array(levels[::2], np.float32), np.array(levels[1::2], np.float32)
    range_ = np.array([1, (top - middle) / top, (top - middle) / top], np.float32)
    y, cb, cr = np.moveaxis((pixels[..., :3] - black) * range_ / (white - black), -1, 0)
    red, blue = y + cr * (2 - 2 * luma[0]), y + cb * (2 - 2 * luma[2])
    return _stored_again(
        np.stack([red, (y - luma[2] * blue - luma[0] * red) / luma[1], blue], -1), pixels.dtype
    )


def _rgb_of_lab(pixels: NDArray[Any], icc: bool) -> NDArray[Any]:
    """Convert CIELab, or ICCLab whose a and b are shifted, to sRGB."""
    bits = 8 * pixels.dtype.itemsize
    lab = pixels[..., :3].astype(np.float32)
    lightness = lab[..., 0] * (100 / (65280 if icc and bits == 16 else 2**bits - 1))
    middle = 2 ** (bits - 1)
    a, b = np.moveaxis((lab[..., 1:] - middle if icc else (lab[..., 1:] + middle) % 2**bits - middle), -1, 0)
    y = (lightness + 16) / 116
    shares = np.stack([y + a / 2 ** (bits - 8) / 500, y, y - b / 2 ** (bits - 8) / 200], -1)
    xyz = np.where(shares > 6 / 29, shares**3, 3 * (6 / 29) ** 2 * (shares - 4 / 29)) * _ICC_WHITE
    linear = np.clip(xyz @ _RGB_OF_XYZ.T, 0, 1)
    return _stored_again(
        np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear), pixels.dtype
    )
