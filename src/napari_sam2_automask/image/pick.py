"""What to take of a stack for one picture, and how people say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from napari_sam2_automask.errors import SettingsError

__all__ = ["POSITIONS", "Channel", "Pick", "parse_channel", "parse_planes"]

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
    """

    plane: int | None = None
    project: str | None = None
    channel: Channel | None = None
    axes: str = ""
    series: int | None = None
    level: int = 0
    over: str = ""

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
        along = {"Z": "z", "T": "time", "C": "channels", "": "planes"}.get(self.over, f"axis {self.over}")
        return f"{'maximum' if self.project == 'max' else 'mean'} over {along}" if self.project else ""

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
        wrong = SettingsError(
            f"what the record says of the file's planes is damaged ({data!r}): use one that was not edited"
        )
        if not isinstance(data, Mapping):
            raise wrong
        numbers = {name: data.get(name) for name in ("plane", "series", "level")}
        project, channel, axes = data.get("project"), data.get("channel"), data.get("axes", "")
        over = data.get("over", "")
        whole = all(value is None or _is_place(value) for value in numbers.values())
        known = project in (None, "max", "mean") and (channel in (None, "mix", "pool") or _is_place(channel))
        if not (whole and known and isinstance(axes, str) and isinstance(over, str) and len(over) < 2):
            raise wrong
        level = numbers.pop("level") or 0
        return cls(project=project, channel=channel, axes=axes, level=level, over=over, **numbers)


def _is_place(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53


def parse_channel(text: str | None) -> Channel | None:
    """Read a channel: a number, ``mix`` or ``pool``.

    Raises
    ------
    SettingsError
        If it is none of them.
    """
    if text is None or text == "mix" or text == "pool":
        return text  # type: ignore[return-value]
    if not text.isdecimal():
        raise SettingsError(f"--channel is {text!r}: give a number from 0, mix or pool")
    return int(text)


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
    if not colon or not all(part == "" or part.isdecimal() for part in (first, last)):
        raise SettingsError(f"--planes is {text!r}: give all, or A:B from A up to, not including, B")
    found = list(range(count))[int(first or 0) : int(last) if last else None]
    if not found or (last and int(last) > count):
        raise SettingsError(f"--planes {text} is not within the {count} planes there are (0:{count})")
    return found
