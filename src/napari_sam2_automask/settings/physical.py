"""Settings told in physical units, turned into pixels as soon as it is known how large a pixel is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from napari_sam2_automask.settings.amg import AmgSettings
from napari_sam2_automask.settings.presets import Preset
from napari_sam2_automask.settings.units import Pixel, Quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AUTO", "AnySettings", "Unmeasured", "in_pixels", "measured", "read_values", "value_in_pixels"]

#: The object diameter of those who want it estimated.
AUTO = "auto"

S = TypeVar("S", AmgSettings, Preset)


def in_pixels(settings: S, pixel: Pixel | None, **changes: Any) -> S:
    """Return settings changed as by `adjusted`, lengths and areas among the values told in physical units.

    Parameters
    ----------
    settings : AmgSettings or Preset
        The settings to change.
    pixel : Pixel or None
        How large a pixel is, if it is known.
    **changes
        New values by parameter. Where a parameter counts pixels, text with a unit is taken: ``"8 um"`` for a
        length (a pixel's side is the geometric mean of its height and width), ``"20 um2"`` for an area. What
        is stored is pixels: areas rounded to whole ones, at least one.

    Raises
    ------
    SettingsError
        If a text cannot be read, a value is out of range, or the size of a pixel is needed and not known.

    Examples
    --------
    >>> small = in_pixels(AmgSettings(), Pixel(0.5, 0.5, "um"), object_diameter="8 um", min_area="20 um2")
    >>> small.object_diameter, small.min_area
    (16.0, 80)
    """
    known = {
        name: value.in_pixels(pixel, name) if isinstance(value, Quantity) else value
        for name, value in read_values(changes).items()
    }
    return settings.adjusted(**known)


def read_values(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Read the texts among values: those in pixels become numbers, those in units of length quantities.

    ``"auto"`` as the object diameter asks for an estimate (`fit_objects`).

    Raises
    ------
    SettingsError
        If a text cannot be read.
    """
    read = dict(changes)
    diameter = read.get("object_diameter")
    if isinstance(diameter, str) and diameter == AUTO:
        read |= {"object_diameter": 0.0, "fit_objects": True}
    for info in AmgSettings.fields():
        text = read.get(info.name)
        if info.power and isinstance(text, str):
            value = Quantity.read(text, info.power, info.name)
            read[info.name] = value if value.unit else value.value
    return read


def value_in_pixels(name: str, value: Any, pixel: Pixel | None) -> Any:
    """Return one value of a parameter in pixels if it is a length or an area as text, else as it is."""
    read = read_values({name: value})[name]
    return read.in_pixels(pixel, name) if isinstance(read, Quantity) else read


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Settings of which some are in physical units, before an image has told how large its pixels are.

    Attributes
    ----------
    base : AmgSettings or Preset
        The settings to change.
    changes : mapping
        The changes, as for `in_pixels`.
    """

    base: AmgSettings | Preset
    changes: Mapping[str, Any]


#: Settings as commands take them.
AnySettings: TypeAlias = AmgSettings | Preset | str | Unmeasured


def measured(settings: AnySettings, pixel: Pixel | None) -> AmgSettings | Preset | str:
    """Return the settings for an image with such pixels; raises as `in_pixels` if a size is needed."""
    if not isinstance(settings, Unmeasured):
        return settings
    base = settings.base
    # Asked one by one: a call takes either kind, not "one of both".
    if isinstance(base, Preset):
        return in_pixels(base, pixel, **settings.changes)
    return in_pixels(base, pixel, **settings.changes)
