"""The axes that planes lie along: what they mean, what they are called, which are projected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from napari_sam2_automask.files.axis_names import axis_letters
from napari_sam2_automask.image.pick import POSITIONS, projection_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "KNOWN",
    "PlaneAxis",
    "Projection",
    "command_letters",
    "is_named",
    "letters_of",
    "linkable",
    "plane_axes",
    "projectable",
]

#: Letters for axes whose names do not tell: those that mean nothing to the command line.
_FREE_LETTERS = "ABDEFGHIJKLMNOQUVW"
#: Axes with these letters mean something; other letters are names that somebody gave.
KNOWN = "ZTC" + POSITIONS


class PlaneAxis(NamedTuple):
    """An axis of a layer that is neither its rows nor its columns.

    Attributes
    ----------
    axis : int
        Which of the layer's.
    letter : str
        What it means, as `axis_letters` gives it.
    name : str
        What the layer calls it.
    length : int
        How many positions it has.
    """

    axis: int
    letter: str
    name: str
    length: int

    @property
    def key(self) -> str:
        """What is the same for axes of one meaning in different layers."""
        return self.letter if self.letter in KNOWN else self.name

    @property
    def title(self) -> str:
        """What to call it where its letter does not tell."""
        return f"axis {self.name if is_named(self.name) else self.axis}"

    def projected(self, kind: str) -> str:
        """Return what its projection is called, such as ``"maximum over z"``."""
        return projection_title(kind, self.letter, self.title)


@dataclass(frozen=True)
class Projection:
    """What was projected.

    Attributes
    ----------
    kind : {"max", "mean"}
        What became of the values.
    axis : int
        The axis of the layer that they lay along.
    letter : str
        Its letter among `letters`.
    title : str
        In words, such as ``"maximum over z"``.
    letters : str
        A letter for each axis of the layer, as the command line takes them.
    """

    kind: str
    axis: int
    letter: str
    title: str
    letters: str

    @classmethod
    def of(cls, kind: str, axis: PlaneAxis, letters: str) -> Projection:
        """Return that over an axis; `letters` as the command line takes them."""
        return cls(kind, axis.axis, letters[axis.axis], axis.projected(kind), letters)


def is_named(name: str) -> bool:
    """Tell whether an axis has a name, and not one of the numbers that napari gives to axes without."""
    return bool(name) and not name.lstrip("-").isdigit() and not name.startswith("axis")


def letters_of(names: Sequence[str], rows_columns: tuple[int, ...] = ()) -> str:
    """Return one letter for each axis of a layer, by its whole name, as `axis_letters` gives them.

    Parameters
    ----------
    names : sequence of str
        The layer's axis labels.
    rows_columns : (int, int), optional
        The axes that the viewer shows as such, which need not be the last ones; by name if left out.
    """
    shown = dict(zip(rows_columns, "yx", strict=False))
    return axis_letters([shown.get(axis, str(name) or f"axis {axis}") for axis, name in enumerate(names)])


def plane_axes(
    names: Sequence[str], shape: Sequence[int], rows_columns: tuple[int, int], own: Sequence[int] = ()
) -> list[PlaneAxis]:
    """Return the axes of an image that are neither rows nor columns.

    Parameters
    ----------
    names : sequence of str
        What the axes are called.
    shape : sequence of int
        How long they are.
    rows_columns : (int, int)
        The axes that the viewer shows as such.
    own : sequence of int
        Of an image with fewer axes than its layer: which of the layer's they are.
    """
    letters = letters_of(names, rows_columns)
    return [
        PlaneAxis(own[axis] if own else axis, letters[axis], str(names[axis]), int(shape[axis]))
        for axis in range(len(shape))
        if axis not in rows_columns
    ]


def projectable(axes: Iterable[PlaneAxis]) -> list[PlaneAxis]:
    """Return the axes that a projection can be asked for, the one that is meant without a name first.

    That is z, or without z those of no known meaning; then time. Channels and positions never are.
    """
    several = [one for one in axes if one.length > 1]
    depth = [one for one in several if one.letter == "Z"]
    return [
        *(depth or [one for one in several if one.letter not in KNOWN]),
        *(one for one in several if one.letter == "T"),
    ]


def linkable(axes: Iterable[PlaneAxis]) -> PlaneAxis | None:
    """Return the axis to link objects along: the only one of several planes, if not of positions."""
    several = [one for one in axes if one.length > 1]
    return several[0] if len(several) == 1 and several[0].letter not in POSITIONS else None


def command_letters(letters: str, rows_columns: tuple[int, int], channel_axis: int | None = None) -> str:
    """Return a capital for each axis of a layer, as the command line takes them.

    Parameters
    ----------
    letters : str
        What `letters_of` gives.
    rows_columns : (int, int)
        The axes that the viewer shows as such.
    channel_axis : int, optional
        The one that is taken for channels.
    """
    rows, columns = sorted(rows_columns)
    found = {rows: "Y", columns: "X"} | ({} if channel_axis is None else {channel_axis: "C"})
    taken = set(found.values())
    found |= {
        axis: letter
        for axis, letter in enumerate(letters)
        if axis not in found and letter in KNOWN and letter not in taken
    }
    free = iter(letter for letter in _FREE_LETTERS if letter not in found.values())
    return "".join(found[axis] if axis in found else next(free) for axis in range(len(letters)))
