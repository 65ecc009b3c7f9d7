"""What the planes of a stack are: sections of a body, or moments of time."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

__all__ = ["Along"]


class Along(StrEnum):
    """What planes are; the values are those of options and records."""

    z = "z"
    time = "time"

    @property
    def letter(self) -> Literal["z", "t"]:
        """The letter of the axis, as `link_planes` and files take it."""
        return "z" if self is Along.z else "t"

    @classmethod
    def of_letter(cls, letter: str) -> Along:
        """Return what planes along an axis called z or t are."""
        return {"z": cls.z, "t": cls.time}[letter.lower()]
