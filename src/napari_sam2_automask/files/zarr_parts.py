"""What is asked of a place where the files of a Zarr lie: parts of files, called by their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["Part", "Place"]


class Part(NamedTuple):
    """A part of a file, as a slice takes it: a negative start counts from its end."""

    start: int
    stop: int | None

    def of(self, size: int) -> tuple[int, int]:
        """Return the first byte and the one behind the last, of a file of a size."""
        start, stop, _ = slice(self.start, self.stop).indices(size)
        return start, max(start, stop)


class Place(Protocol):
    """Files that are called by their keys, such as ``0/c/0/1``."""

    @property
    def path(self) -> Path:
        """What to call it."""
        ...

    def read(self, key: str, part: Part | None, most: int) -> bytes | None:
        """Return a file's bytes, or a part of them; None if there is no such file.

        Raises
        ------
        ImageError
            If the file has more than `most` bytes, or cannot be read.
        """
        ...

    def keys(self) -> Collection[str] | None:
        """Return the keys of all files; None where that cannot be told."""
        ...
