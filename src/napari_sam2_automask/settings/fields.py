"""What is known about one parameter, and how its values are checked."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args, get_origin

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.numbers import MOST_POINTS, SCORE, Bound, plain, shown

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "GROUPS", "FieldInfo", "PointGrids", "area", "check_point_grids", "field_info", "fraction", "param",
]  # fmt: skip

#: The groups of parameters in the order in which they are shown, with their headings.
GROUPS = {
    "grid": "Point grid",
    "filter": "Filters",
    "typical": "Typical objects",
    "masks": "Masks",
    "crops": "Crops",
    "output": "Output",
}

#: One grid of (x, y) points for each crop layer, in fractions (0 to 1) of the crop's width and height.
PointGrids: TypeAlias = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """What is known about one parameter.

    Attributes
    ----------
    name : str
        The field's name in :class:`AmgSettings`, which is also Meta's name for it.
    kind : type
        ``int``, ``float``, ``bool``, ``str`` (one of `choices`) or ``tuple`` (checked by `checker`).
    optional : bool
        Whether ``None`` is a value.
    default : object
        The default, Meta's where the parameter is Meta's.
    title, help, unit : str
        Words for a form: a short title, an explanation in a sentence or two, the unit (may be empty).
    group : str
        One of `GROUPS`.
    minimum, maximum, step : float or None
        The closed range of allowed values and the step of a slider; None for fields without one.
    choices : tuple of str
        The allowed values of a ``str`` field.
    power : int
        1 for a length in pixels and 2 for an area in pixels, which can be told in physical units too; else 0.
    checker, reader, writer : callable or None
        Of a ``tuple`` field: returns a value as it is stored or raises a SettingsError; the same for text
        that a person wrote; and the text of a value. Point grids have no text.
    example : str
        Such a text.
    """

    name: str
    kind: type
    optional: bool
    default: Any
    title: str
    help: str
    group: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    power: int = 0
    checker: Callable[[Any], tuple[Any, ...]] | None = None
    reader: Callable[[str], tuple[Any, ...]] | None = None
    writer: Callable[[Any], str] | None = None
    example: str = ""

    @property
    def bound(self) -> Bound:
        """What its numbers may be.

        Raises
        ------
        TypeError
            If it is no number.
        """
        if self.minimum is None or self.maximum is None:
            raise TypeError(f"{self.name} is no number")
        return Bound(self.kind, self.minimum, self.maximum, self.unit)

    @property
    def range_text(self) -> str:
        """The allowed values in words, for tooltips, option help and error messages."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        return "" if self.minimum is None else self.bound.text

    def check(self, value: Any) -> Any:
        """Return `value` in the field's own type, or say why it cannot be.

        Raises
        ------
        SettingsError
            If the value has another type or lies outside the range; names the field, range and value.
        """
        if value is None and self.optional:
            return None
        if self.kind is bool:
            if isinstance(plain(value), bool):
                return plain(value)
            raise self._error(value, "true or false")
        if self.kind is str:
            chosen = plain(value)
            if isinstance(chosen, str) and chosen in self.choices:
                return chosen
            raise self._error(value, self.range_text)
        if self.checker is not None:
            return self.checker(value)
        return self.bound.check(value, self.name)

    def _error(self, value: Any, allowed: str) -> SettingsError:
        return SettingsError(
            f"{self.name} must be {allowed}, but is {shown(value)}: choose a value in that range"
        )


def check_point_grids(value: Any) -> PointGrids:
    """Turn nested sequences or arrays into :data:`PointGrids`, one (N, 2) grid for each crop layer."""
    wrong = "point_grids must hold one list of (x, y) points for each crop layer, in fractions from 0 to 1"
    grids: list[tuple[tuple[float, float], ...]] = []
    left = MOST_POINTS
    for grid in _listed(value, MOST_POINTS, wrong, value):
        points = _listed(grid, left, wrong, value)
        left -= len(points)
        grids.append(tuple(_point(point, wrong, value) for point in points))
    if not grids or not all(grids):
        raise SettingsError(f"{wrong}, but holds an empty grid: give every crop layer at least one point")
    return tuple(grids)


def _listed(value: Any, most: int, wrong: str, whole: Any) -> Sequence[Any]:
    """Return what a list, a tuple or an array holds; none may be longer than there may be points."""
    found = value.tolist() if getattr(value, "ndim", 0) and hasattr(value, "tolist") else value
    if not isinstance(found, list | tuple):
        raise SettingsError(f"{wrong}, but is {shown(whole)}")
    if len(found) > most:
        raise SettingsError(f"{wrong}, but holds more than {MOST_POINTS:,} points: give fewer")
    return found


def _point(value: Any, wrong: str, whole: Any) -> tuple[float, float]:
    pair = _listed(value, MOST_POINTS, wrong, whole)
    if len(pair) != 2:
        raise SettingsError(f"{wrong}, but holds {shown(value)}")
    try:
        return SCORE.check(pair[0], "x"), SCORE.check(pair[1], "y")
    except SettingsError as error:
        raise SettingsError(f"{wrong}, but holds {shown(tuple(pair))}") from error


def param(default: Any, title: str, text: str, group: str, **info: Any) -> Any:
    """Declare a field of a settings class with its explanation; see :class:`FieldInfo`."""
    return field(default=default, metadata={"title": title, "help": text, "group": group, **info})


def fraction(default: float, title: str, text: str, group: str) -> Any:
    """Declare a number from 0 to 1."""
    return param(default, title, text, group, minimum=0.0, maximum=1.0, step=0.01)


def area(title: str, text: str, group: str) -> Any:
    """Declare a number of pixels, 0 where it does not count."""
    return param(0, title, text, group, unit="pixels", power=2, minimum=0, maximum=100_000_000, step=1)


def field_info(item: dataclasses.Field[Any], hint: Any) -> FieldInfo:
    """Read a field's type from its annotation and the rest from its metadata."""
    optional = get_origin(hint) in (types.UnionType, typing.Union) and type(None) in get_args(hint)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    kind = str if choices else (get_origin(hint) or hint)
    return FieldInfo(
        name=item.name, kind=kind, optional=optional, default=item.default, choices=choices, **item.metadata
    )
