"""What callers give for objects and points, as actions take it."""

from __future__ import annotations

from math import isfinite
from operator import index
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.errors import MendError
from napari_sam2_automask.mending.actions import MOST

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["how_far", "object_numbers", "one_point", "some_points"]

#: How many objects an action takes.
_LEAST = {1: "at least 1 object", 2: "two objects at least"}


def object_numbers(labels: Iterable[Any], least: int = 1, what: str = "") -> tuple[int, ...]:
    """Return numbers of objects, at least so many for what is to be done; raise a MendError for others."""
    try:
        found = tuple(index(label) for label in labels)
    except TypeError as error:
        raise MendError("an object is told by its number, a whole one: give those that show") from error
    if wrong := [n for n in found if not 1 <= n <= MOST]:
        raise MendError(
            f"there is no object {wrong[0]}: a number is greater than or equal to 1, {MOST:,} at most"
        )
    if len(set(found)) < least:
        raise MendError(f"{what} takes {_LEAST[least]}: give the numbers of those that show")
    return found


def how_far(pixels: Any) -> int:
    """Return a distance in whole pixels; raise a MendError for anything else."""
    try:
        return index(pixels)
    except TypeError as error:
        raise MendError(f"pixels are a whole number, and not {pixels!r}") from error


def one_point(point: Any) -> tuple[float, float] | None:
    """Return a point as two numbers; None for none. See `some_points`."""
    if point is None:
        return None
    (found,) = some_points([point])
    return found


def some_points(points: Iterable[Any]) -> tuple[tuple[float, float], ...]:
    """Return points as pairs of finite numbers, y and x; raise a MendError for anything else."""
    found = []
    for point in points:
        try:
            y, x = (float(value) for value in point)
            if not (isfinite(y) and isfinite(x)):
                raise ValueError
        except (TypeError, ValueError) as error:
            raise MendError(f"a point is two numbers, y and x, both finite, and not {point!r}") from error
        found.append((y, x))
    return tuple(found)
