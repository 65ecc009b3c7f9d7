"""Messages as a person at the window reads them: settings by their titles, no word of the code."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from napari_sam2_automask.errors import NewRunError

__all__ = ["plain", "short", "why_run"]


def plain(message: object) -> str:
    """Return a message with the settings in it by their titles: ``Largest object 5``, not ``max_area=5``."""
    names, titles = _names(), _titles()

    def titled(found: re.Match[str]) -> str:
        title = titles.get(found[1])  # else it is a value: all_levels
        return found[0].replace("_", " ") if title is None else title + (" " if found[2] else "")

    return names.sub(titled, str(message))


def short(value: float) -> str:
    """Return a number with three digits, or whole with its thousands told apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def why_run(error: NewRunError) -> str:
    """Return in a sentence which settings need another run, by their titles."""
    titles = [_titles()[name] for name in error.fields]
    if len(titles) > 2:
        titles = [titles[0], f"{len(titles) - 1} other parameters"]
    needs = "needs" if len(titles) == 1 else "need"
    return f"{' and '.join(titles)} {needs} another run."


@cache
def _titles() -> dict[str, str]:
    return {info.name: info.title for info in AmgSettings.fields()}


@cache
def _names() -> re.Pattern[str]:
    """Return what finds the names of settings, and the sign between a name and its value."""
    # Single words are words of the language too, unless a value or its range follows.
    values = {choice for info in AmgSettings.fields() for choice in info.choices if "_" in choice}
    longest = sorted({*_titles(), *values}, key=len, reverse=True)
    told = "|".join(name if "_" in name else f"{name}(?==| must be)" for name in longest)
    return re.compile(rf"\b({told})\b(=?)")
