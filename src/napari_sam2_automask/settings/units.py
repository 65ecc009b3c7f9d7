"""Lengths and areas in physical units: how large a pixel is, and what people write in pixels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.numbers import EXTENT, LENGTH, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "OTHERS_BY_CASE", "UNITS", "Pixel", "Quantity", "convert", "in_micrometres", "known_unit", "long_unit",
    "short_unit", "symbol", "width_text",
]  # fmt: skip

#: Units of length: the short name, for columns of tables, and the one of UDUNITS-2, for OME-Zarr.
UNITS = {
    "angstrom": "angstrom", "nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter",
    "m": "meter",
}  # fmt: skip
# Powers of ten of a metre.
_EXPONENTS = {"angstrom": -10, "nm": -9, "um": -6, "mm": -3, "cm": -2, "m": 0}
_SYMBOLS = {"angstrom": "Å", "um": "µm"}
_SHORT = {long: short for short, long in UNITS.items()} | {short: short for short in UNITS}
_SHORT |= {"å": "angstrom", "micron": "um"}
# The two letters for micro, also as Java escapes them and as a wrong encoding leaves them.
_MICRO = re.compile(r"\\u00b5|\\u03bc|âµ|µ|μ")
#: Where the case of a letter tells: megametres are no millimetres, and petametres no picometres.
OTHERS_BY_CASE = ("Mm", "Pm")
_PIXELS = ("px", "pixel", "pixels")
_WRITTEN = re.compile(r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*([^\W\d_]*?)\s*(\^?2|²|)\s*", re.IGNORECASE)
# Digits kept of a length in pixels: as many as the form shows and keeps.
_DIGITS = 4


def known_unit(name: str) -> str | None:
    """Return the short name of a unit of length in any spelling, None if it is not known."""
    if not isinstance(name, str) or name.strip() in OTHERS_BY_CASE:  # files hold whatever they hold
        return None
    plain = _MICRO.sub("u", name.strip().lower()).replace("metre", "meter")
    # "ms" is none.
    return _SHORT.get(plain) or (_SHORT.get(plain.removesuffix("s")) if len(plain) > 2 else None)


def short_unit(name: str) -> str:
    """Return the short name of a unit of length.

    Raises
    ------
    SettingsError
        If the unit is not known.
    """
    found = known_unit(name)
    if found is None:
        raise SettingsError(f"unknown unit {shown(name)}: choose from {', '.join(UNITS)}")
    return found


def long_unit(name: str) -> str:
    """Return the name of a unit of length in UDUNITS-2; SettingsError if it is not known."""
    return UNITS[short_unit(name)]


def convert(value: float, unit: str, to: str, power: int = 1) -> float:
    """Return a length (`power` 1), area (2) or volume (3) in another unit; both by their short names."""
    steps = power * (_EXPONENTS[unit] - _EXPONENTS[to])
    # Divided, not multiplied by a fraction, which no float holds exactly.
    return value * 10.0**steps if steps >= 0 else value / 10.0**-steps


def in_micrometres(sides: Sequence[float], unit: str | None) -> float | None:
    """Return the product of sides, an area of two or a volume of three, in micrometres; None without a unit.

    So it is that columns of tables are called alike, whatever unit the image has.
    """
    short = known_unit(unit or "")
    return None if short is None else convert(math.prod(map(float, sides)), short, "um", len(sides))


def symbol(unit: str, power: int = 1) -> str:
    """Return how people write a unit of length (`power` 1) or of area (`power` 2), such as ``"µm²"``."""
    return _SYMBOLS.get(short_unit(unit), short_unit(unit)) + ("²" if power == 2 else "")


@dataclass(frozen=True, slots=True)
class Pixel:
    """How large a pixel is.

    Attributes
    ----------
    height, width : float
        Its sides in `unit`.
    unit : str
        A unit of length; any known name is taken, the short one is kept.

    Raises
    ------
    SettingsError
        If a side is not a positive number, or the unit is not known.

    Examples
    --------
    >>> Pixel(0.5, 0.5, "micrometer").told(16, 1)
    '8 µm'
    """

    height: float
    width: float
    unit: str = "um"

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            side = LENGTH.check(getattr(self, name), f"the {name} of a pixel")
            object.__setattr__(self, name, side)
        object.__setattr__(self, "unit", short_unit(self.unit))

    @classmethod
    def known(cls, size: tuple[float, float] | None, unit: str | None) -> Pixel | None:
        """Return the pixel of a file or a layer; None where its size in a unit of length is not known."""
        if size is None or known_unit(unit or "") is None:
            return None
        try:
            return cls(*size, str(unit))
        except SettingsError:
            return None

    def size(self, power: int) -> float:
        """Return its area in the unit squared (`power` 2), or its side: the geometric mean (`power` 1)."""
        area = self.height * self.width
        return area if power == 2 else math.sqrt(area)

    def told(self, pixels: float, power: int) -> str:
        """Return so many pixels in words, as a length (`power` 1) or an area (`power` 2)."""
        return f"{pixels * self.size(power):.3g} {symbol(self.unit, power)}"


def width_text(pixels: float, pixel: Pixel | None) -> str:
    """Return a width in words: in pixels, and in the unit of length where the pixel's size is known."""
    return f"{pixels:.3g} pixels" + (f" ({pixel.told(pixels, 1)})" if pixel is not None else "")


def fit_text(pixels: float | None, pixel: Pixel | None, asked: bool) -> str:
    """Say what the run was fitted to, if a width is known or a fit was asked for."""
    if pixels:
        return f"fitted to objects {width_text(pixels, pixel)} wide"
    return "no objects of a size seen, so nothing was magnified" if asked else ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A length or an area as people write it.

    Attributes
    ----------
    value : float
        The number.
    unit : str
        The short name of a unit of length; empty for pixels.
    power : int
        1 for a length, 2 for an area.
    """

    value: float
    unit: str
    power: int

    @classmethod
    def read(cls, text: str, power: int, name: str) -> Quantity:
        """Read a number with or without a unit: ``8 um``, ``20 um2``, ``20 µm²``, ``500`` or ``500 px``.

        Parameters
        ----------
        text : str
            What was written.
        power : int
            1 if a length is meant, 2 for an area.
        name : str
            What it is for, to be named in messages.

        Raises
        ------
        SettingsError
            If it is no number, the unit is not known, or an area was given for a length or the reverse.
        """
        example = "20 um2 or 500 (pixels)" if power == 2 else "8 um or 30 (pixels)"
        found = _WRITTEN.fullmatch(text)
        told = f"{name} is {shown(text)}"
        try:
            value = EXTENT.check(float(found[1]), name) if found else None
        except ValueError:  # no number, or none that a length or an area can have
            value = None
        if found is None or value is None:
            raise SettingsError(f"{told}: give a number, with or without a unit, as {example}")
        unit, squared = found[2], bool(found[3])
        if unit.lower() in ("", *_PIXELS):
            if squared and (power == 1 or not unit):
                raise SettingsError(f"{told}: write it as {example}")
            return cls(value, "", power)
        if known_unit(unit) is None:
            raise SettingsError(f"{told}, whose unit is not known: choose from {', '.join(UNITS)} and px")
        if squared != (power == 2):
            kind = "an area" if power == 2 else "a length"
            raise SettingsError(f"{name} is {kind}, but {shown(text)} is none: write it as {example}")
        return cls(value, short_unit(unit), power)

    def in_pixels(self, pixel: Pixel | None, name: str) -> float:
        """Return how many pixels that is: whole ones for an area, at least one unless it is 0.

        Raises
        ------
        SettingsError
            If it is in a unit of length and the size of a pixel is not known.
        """
        if not self.unit:
            return self.value
        if pixel is None:
            given = f"{self.value:g} {symbol(self.unit, self.power)}"
            raise SettingsError(
                f"{name} is given as {given}, but nothing says how large a pixel is: give it in pixels, or "
                "say the size of a pixel (on the command line with --spacing and --unit)"
            )
        pixels = convert(self.value, self.unit, pixel.unit, self.power) / pixel.size(self.power)
        if self.power == 1:
            return round(pixels, _DIGITS)
        return max(round(pixels), 1) if self.value > 0 else 0
