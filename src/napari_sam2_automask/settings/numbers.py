"""What numbers may be: each bound once, for options, arguments in Python, records and files alike."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from napari_sam2_automask.errors import SettingsError

__all__ = [
    "BLOCK", "COST", "COUNT", "EXTENT", "INDEX", "INTENSITY", "LENGTH", "MOST_POINTS", "PATIENCE",
    "PERCENTILE", "PLACE", "SCORE", "SECONDS", "THREADS", "TILE", "WHOLE", "WORKERS", "Bound", "plain",
    "shown", "whole_number",
]  # fmt: skip

# Numbers of Python and NumPy; not named in the check, since nothing is known of them but that.
_REAL: Any = Real
# Whole numbers to here are exact in JSON and floats.
_EXACT = 2**53
# Takes no more than a few of whatever is nested or long.
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxtuple, _SHORT.maxlist = 3, 4, 4
_SHORT.maxstring = _SHORT.maxother = 60


def shown(value: Any) -> str:
    """Return a value as messages show it: on one line, short, whatever it is."""
    try:
        return " ".join(_SHORT.repr(value).split())
    except Exception:  # a whole number too long to be written, an object whose text fails
        return f"a value of the type {type(value).__name__} that cannot be shown"


def plain(value: Any) -> Any:
    """Return a NumPy scalar or an array without axes as the value of Python that it holds, else the value."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    return value


def whole_number(text: str) -> int | None:
    """Return the number from 0 to 2^53 that digits are; None for any other text."""
    return int(text) if text.isdecimal() and len(text) < 17 and int(text) <= _EXACT else None


@dataclass(frozen=True, slots=True)
class Bound:
    """What a number may be.

    Attributes
    ----------
    kind : type
        ``int`` or ``float``.
    minimum, maximum : float
        The closed range.
    unit : str
        What is counted, for messages.
    """

    kind: type
    minimum: float
    maximum: float
    unit: str = ""

    @property
    def text(self) -> str:
        """The range in words."""
        return f"{self.minimum:g} to {self.maximum:g}" + (f" {self.unit}" if self.unit else "")

    def check(self, value: Any, name: str) -> Any:
        """Return a number in its own type, or say why it cannot be.

        NumPy scalars are fine, and so is 8.0 for a whole number; True, "8" and NaN are no numbers.

        Parameters
        ----------
        value : Any
            What was given.
        name : str
            What to call it.

        Raises
        ------
        SettingsError
            If it is no number or lies outside of the range; the message names all three.
        """
        number: Any = plain(value)
        if isinstance(number, bool) or not isinstance(number, _REAL):
            raise self.error(value, name)
        # Compared before it is converted: a whole number may be larger than any float. NaN is in no range.
        if not self.minimum <= number <= self.maximum:
            raise self.error(value, name)
        if self.kind is int and number != int(number):
            raise self.error(value, name, "a whole number, ")
        return int(number) if self.kind is int else float(number) + 0.0  # -0.0 is 0.0

    def check_all(self, values: Any, name: str, count: int) -> tuple[Any, ...]:
        """Return so many numbers, each checked; SettingsError if they are others, or not so many."""
        given = plain(values)
        given = given.tolist() if hasattr(given, "tolist") else given
        if not isinstance(given, Sequence) or isinstance(given, str | bytes) or len(given) != count:
            raise SettingsError(f"{name} must be {count} numbers, but is {shown(values)}: give so many")
        return tuple(self.check(value, name) for value in given)

    def error(self, value: Any, name: str, before: str = "") -> SettingsError:
        """Return what is said of a value that is not allowed."""
        return SettingsError(
            f"{name} must be {before}{self.text}, but is {shown(value)}: choose a value in that range"
        )


#: Counted things, such as objects or pixels.
COUNT = Bound(int, 0, _EXACT)
#: A whole number of which it is said elsewhere whether there is such a plane, level or series.
WHOLE = Bound(int, -_EXACT, _EXACT)
#: Which plane, channel, series or level, counted from 0.
INDEX = Bound(int, 0, _EXACT)
#: Which of several axes, or a place that may lie before the first pixel.
PLACE = Bound(float, -1e60, 1e60)
#: A length in any unit; its cube is a number still.
LENGTH = Bound(float, 1e-60, 1e60)
#: A length or an area that people write, in any unit.
EXTENT = Bound(float, 0.0, 1e120)
#: Intensities, such as those shown as black and as white.
INTENSITY = Bound(float, -1.7976931348623157e308, 1.7976931348623157e308)
PERCENTILE = Bound(float, 0.0, 100.0)
#: A predicted IoU, a stability, an overlap.
SCORE = Bound(float, 0.0, 1.0)
#: Threads of torch in a process; 0 shares the cores.
THREADS = Bound(int, 0, 4096, "threads")
#: Processes on this machine.
WORKERS = Bound(int, 1, 1024, "processes")
#: Side of a tile.
TILE = Bound(int, 16, 2**16, "pixels")
#: Side of a chunk of what is written.
BLOCK = Bound(int, 16, 2**14, "pixels")
#: What is taken off an overlap.
COST = Bound(float, 0.0, 1000.0)
#: Planes to wait or to skip.
PATIENCE = Bound(int, 0, 1_000_000, "planes")
#: How long to search; a week.
SECONDS = Bound(float, 0.0, 604_800.0, "seconds")
#: Points of one's own in all crop layers together.
MOST_POINTS = 1_000_000
