"""Filters by measures: which objects are kept by what is measured of them."""

from __future__ import annotations

from typing import Any, TypeAlias

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.measure_names import MEASURES, STATISTICS
from napari_sam2_automask.settings.numbers import INTENSITY, shown

__all__ = ["FILTERS", "Filters", "check_filters", "is_of_intensity", "read_filters", "write_filters"]

#: Name of a measure, least and greatest value, None for no bound.
Filters: TypeAlias = tuple[tuple[str, float | None, float | None], ...]

#: The measures of shape that objects can be kept by; those of intensity may end in the name of a channel.
FILTERS = tuple(name for name, info in MEASURES.items() if info.columns(2) == (name,) and not info.intensity)
_WRONG = "filters must be a list of (name, minimum, maximum)"
_MOST = 100


def is_of_intensity(name: str) -> bool:
    """Tell whether a filter is by a measure of intensity."""
    return any(name == one or name.startswith(f"{one}_") for one in STATISTICS)


def check_filters(value: Any) -> Filters:
    """Return filters with numbers as floats.

    Raises
    ------
    SettingsError
        If they are no such list, a name is unknown or there twice, or a filter has no bound or keeps nothing.
    """
    if not isinstance(value, list | tuple) or len(value) > _MOST:
        raise SettingsError(f"{_WRONG}, but is {shown(value)}: give such")
    found: dict[str, tuple[str, float | None, float | None]] = {}
    for one in value:
        if not isinstance(one, list | tuple) or len(one) != 3 or not isinstance(one[0], str):
            raise SettingsError(f"{_WRONG}, but holds {shown(one)}: give such")
        name, low, high = one
        if name not in FILTERS and not is_of_intensity(name):
            raise SettingsError(
                f"filters holds {shown(name)}: choose from {', '.join((*FILTERS, *STATISTICS))}, the latter "
                "perhaps with the name of a channel"
            )
        low, high = (
            None if bound is None else INTENSITY.check(bound, f"filters: {name}") for bound in (low, high)
        )
        if low is None and high is None:
            raise SettingsError(f"filters: {name} has neither a minimum nor a maximum: give one")
        if low is not None and high is not None and high < low:
            raise SettingsError(f"filters: {name} from {low:g} to {high:g} keeps nothing: swap them")
        if name in found:
            raise SettingsError(f"filters holds {name} twice: give it once")
        found[name] = name, low, high
    return tuple(found.values())


def read_filters(text: str) -> Filters:
    """Return the filters in a text such as ``"circularity 0.8.., perimeter 20..200"``.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, span = part.rpartition(" ")
        low, dots, high = span.partition("..")
        try:
            if not name or not dots:
                raise ValueError
            found.append((name.strip(), float(low) if low else None, float(high) if high else None))
        except ValueError:
            raise SettingsError(
                f"filters holds {shown(part)}: give a name and a span, such as 'circularity 0.8..' or "
                "'perimeter 20..200'"
            ) from None
    return check_filters(found)


def write_filters(filters: Filters) -> str:
    """Return the text of filters, which `read_filters` reads back."""
    return ", ".join(
        f"{name} {'' if low is None else repr(low)}..{'' if high is None else repr(high)}"
        for name, low, high in filters
    )
