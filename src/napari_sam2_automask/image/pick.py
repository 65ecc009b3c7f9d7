"""What to take of a stack for one picture, and how people say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.numbers import INDEX, shown, whole_number

__all__ = ["POSITIONS", "Channel", "Pick", "parse_channel", "parse_planes", "projection_title"]

Channel: TypeAlias = int | Literal["mix", "pool"]
#: Axes of positions (fields, wells): each is a stack of its own; nothing is linked or projected over them.
POSITIONS = "PR"


@dataclass(frozen=True, slots=True)
class Pick:
    """What to take of a stack for one picture.

    Attributes
    ----------
    plane : int or None
        Which plane, counted over all axes that are neither rows, columns, colours, channels (where `channel`
        is given) nor projected, the last one fastest. None where there is one only.
    project : {"max", "mean"} or None
        Take the maximum or mean over planes.
    over : str
        The letter of the axis that they lie along. Empty for z, or without z the only axis of planes of no
        known meaning.
    channel : int, "mix", "pool" or None
        One channel, all mixed in colours, or each by itself with the masks of all pooled. None counts
        channels as planes.
    axes : str
        One letter for each axis of the file, where its own description is missing or wrong.
    series : int or None
        Which image of a TIFF with several.
    level : int
        Which level of a pyramid; 0 is full resolution.

    Raises
    ------
    SettingsError
        If a value is none of these.
    """

    plane: int | None = None
    project: str | None = None
    channel: Channel | None = None
    axes: str = ""
    series: int | None = None
    level: int = 0
    over: str = ""

    def __post_init__(self) -> None:
        for name in ("plane", "series", "level", "channel"):
            value = getattr(self, name)
            if value is not None and not (name == "channel" and isinstance(value, str)):
                object.__setattr__(self, name, INDEX.check(value, name))
        for name, known in (("project", ("max", "mean")), ("channel", ("mix", "pool"))):
            value = getattr(self, name)
            counted = name == "channel" and isinstance(value, int)
            if not (value is None or counted or (isinstance(value, str) and value in known)):
                raise SettingsError(f"{name} is {shown(value)}: use {' or '.join(map(repr, known))}")
        if not isinstance(self.axes, str):
            raise SettingsError(f"axes are {shown(self.axes)}: give one letter for each")
        if not isinstance(self.over, str) or len(self.over) > 1:
            raise SettingsError(f"over is {shown(self.over)}: give the letter of an axis")

    @property
    def suffix(self) -> str:
        """What to add to the names of results."""
        channel = f"c{self.channel}" if isinstance(self.channel, int) else self.channel
        plane = None if self.plane is None else f"plane{self.plane}"
        series = None if self.series is None else f"series{self.series}"
        level = f"level{self.level}" if self.level else None
        usual = self.over in ("", "Z") or self.over.islower()
        project = self.project if usual or not self.project else self.project + self.over
        return "".join(f"_{part}" for part in (series, level, project, channel, plane) if part)

    @property
    def projection(self) -> str:
        """What is projected, in words; empty if nothing is."""
        return projection_title(self.project, self.over) if self.project else ""

    @property
    def is_plain(self) -> bool:
        """Whether a number of a plane says it all."""
        return self == Pick(self.plane)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {name: value for name, value in asdict(self).items() if name != "over" or self.project}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pick:
        """Read what `to_json` wrote.

        Raises
        ------
        SettingsError
            If it holds something else.
        """
        told = "what the record says of the file's planes is damaged"
        if not isinstance(data, Mapping):
            raise SettingsError(f"{told} ({shown(data)}): use one that was not edited")
        known = {one.name: data[one.name] for one in fields(cls) if data.get(one.name) is not None}
        try:
            return cls(**known)
        except SettingsError as error:
            raise SettingsError(f"{told} ({error}): use one that was not edited") from error


def projection_title(kind: str, over: str, other: str = "") -> str:
    """Return what a projection is, in words.

    Parameters
    ----------
    kind : {"max", "mean"}
        What becomes of the values.
    over : str
        The letter of the axis that they lie along; empty if it is not known.
    other : str
        What to call an axis whose letter does not tell.
    """
    along = {"Z": "z", "T": "time", "C": "channels", "": "planes"}.get(over) or other or f"axis {over}"
    return f"{'maximum' if kind == 'max' else 'mean'} over {along}"


def parse_channel(text: str | None) -> Channel | None:
    """Read a channel: a number, ``mix`` or ``pool``.

    Raises
    ------
    SettingsError
        If it is none of them.
    """
    if text is None or text == "mix" or text == "pool":
        return text  # type: ignore[return-value]
    number = whole_number(text)
    if number is None:
        raise SettingsError(f"--channel is {shown(text)}: give a number from 0, mix or pool")
    return number


def parse_planes(text: str, count: int) -> list[int]:
    """Read a range of planes: ``all``, or ``A:B`` from A up to, not including, B.

    Raises
    ------
    SettingsError
        If it is neither, or holds no plane of the `count` there are.
    """
    if text == "all":
        return list(range(count))
    first, colon, last = text.partition(":")
    start, stop = whole_number(first or "0"), whole_number(last or str(count))
    if not colon or start is None or stop is None:
        raise SettingsError(f"--planes is {shown(text)}: give all, or A:B from A up to, not including, B")
    found = list(range(start, min(stop, count)))
    if not found or stop > count:
        raise SettingsError(f"--planes {text} is not within the {count} planes there are (0:{count})")
    return found
