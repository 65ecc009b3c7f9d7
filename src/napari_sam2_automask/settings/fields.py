"""What is known about one parameter, and how its values are checked."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args, get_origin

from napari_sam2_automask.errors import SettingsError

__all__ = ["GROUPS", "FieldInfo", "PointGrids", "area", "field_info", "fraction", "param"]

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
        ``int``, ``float``, ``bool``, ``str`` (one of `choices`) or ``tuple`` (point grids).
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

    @property
    def range_text(self) -> str:
        """The allowed values in words, for tooltips, option help and error messages."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.minimum is None or self.maximum is None:
            return ""
        return f"{self.minimum:g} to {self.maximum:g}" + (f" {self.unit}" if self.unit else "")

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
            if isinstance(value, bool):
                return value
            raise self._error(value, "true or false")
        if self.kind is str:
            if value in self.choices:
                return value
            raise self._error(value, self.range_text)
        if self.kind is tuple:
            return _check_point_grids(value)
        return self._check_number(value)

    def _check_number(self, value: Any) -> int | float:
        # NumPy scalars and 8.0 for an integer are fine; True, "8" and 8.5 for an integer are not.
        number = value.item() if hasattr(value, "item") else value
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise self._error(value, self.range_text)
        if self.kind is int and number != int(number):
            raise self._error(value, f"a whole number, {self.range_text}")
        assert self.minimum is not None and self.maximum is not None
        if not self.minimum <= number <= self.maximum:
            raise self._error(value, self.range_text)
        return int(number) if self.kind is int else float(number)

    def _error(self, value: Any, allowed: str) -> SettingsError:
        return SettingsError(f"{self.name} must be {allowed}, but is {value!r}: choose a value in that range")


def _check_point_grids(value: Any) -> PointGrids:
    """Turn nested sequences or arrays into :data:`PointGrids`, one (N, 2) grid for each crop layer."""
    wrong = "point_grids must hold one list of (x, y) points for each crop layer, in fractions from 0 to 1"
    try:
        grids = tuple(tuple((float(x), float(y)) for x, y in grid) for grid in value)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{wrong}, but is {str(value)[:60]!r}") from error
    if not grids or not all(grids):
        raise SettingsError(f"{wrong}, but holds an empty grid: give every crop layer at least one point")
    for x, y in (point for grid in grids for point in grid):
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise SettingsError(f"{wrong}, but holds ({x:g}, {y:g})")
    return grids


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
