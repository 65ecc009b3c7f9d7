"""Axes as files describe them: their names as letters, and how far one pixel is from the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["AxisScale", "axis_letters"]

_OF_TYPE = {"time": "T", "channel": "C"}
_OF_NAME = {
    "time": "T", "timepoint": "T", "timepoints": "T", "depth": "Z",
    "ch": "C", "channel": "C", "channels": "C",
    "pos": "P", "position": "P", "positions": "P", "field": "P", "fields": "P", "well": "P", "scene": "P",
    "series": "P",
}  # fmt: skip
#: Planes of no known meaning.
_FREE = "abcdefghij"


class AxisScale(NamedTuple):
    """What a file says of an axis, as it stands there: any of it may be no number or no unit.

    Attributes
    ----------
    step : Any
        From one pixel to the next.
    unit : Any
        The unit of both.
    place : Any
        Where the first pixel lies.
    place_unit : Any
        The unit of that, if it is another.
    """

    step: Any
    unit: Any = None
    place: Any = 0.0
    place_unit: Any = None


def axis_letters(axes: Sequence[Mapping[str, Any] | str | None]) -> str:
    """Return one letter for each axis: by type and whole name, never by how a name begins.

    Parameters
    ----------
    axes : sequence
        Each by its name, or as OME-Zarr describes it, with ``name`` and perhaps ``type``.

    Returns
    -------
    str
        Z, Y, X, T, C, S, P and R where type or whole name say so, other capitals where a name is one letter,
        lower-case letters for planes of no known meaning. Without rows or columns by name the last two axes
        are those. Empty if an axis has no name.
    """
    described = [{"name": axis} if isinstance(axis, str) else axis or {} for axis in axes]
    if not all(axis.get("name") for axis in described):
        return ""
    letters: list[str] = []
    for axis in described:
        letter = _letter(str(axis["name"]).lower(), axis.get("type"))
        # Wells and fields are both positions.
        letter = "R" if letter == "P" and "P" in letters else letter
        letters.append("" if letter in letters else letter)
    for letter, place in (("X", -1), ("Y", -2)):
        if letter not in letters and len(letters) >= -place and not letters[place]:
            letters[place] = letter
    free = (letter for letter in _FREE if letter not in letters)
    return "".join(letter or next(free, "?") for letter in letters)


def _letter(name: str, kind: Any) -> str:
    if isinstance(kind, str) and kind in _OF_TYPE:
        return _OF_TYPE[kind]
    letter = _OF_NAME.get(name, name.upper() if len(name) == 1 and name.isascii() and name.isalpha() else "")
    # What lies in space are no colours, and no positions of the stage either.
    return letter if kind != "space" or letter in tuple("ZYX") else ""
