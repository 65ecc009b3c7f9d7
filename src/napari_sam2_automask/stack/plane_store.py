"""Candidates of the planes of a stack, within a bound of memory; the rest on the disk."""

from __future__ import annotations

import shutil
import tempfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING
from weakref import finalize

from napari_sam2_automask.candidates.file import load_candidates, save_candidates
from napari_sam2_automask.errors import OutputError

if TYPE_CHECKING:
    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.stack.numbers import Plane

__all__ = ["LIMIT", "PlaneStore"]

#: Bytes of candidates to keep in memory.
LIMIT = 1_000_000_000


class PlaneStore:
    """Holds the candidates of planes; those that were used longest ago go to the disk first.

    For several threads. Files lie in a folder of temporary files, and go with this object.

    Parameters
    ----------
    limit : int
        Bytes to keep in memory at most, but for the plane that was used last. Where the disk takes no more,
        all stay in memory.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._lock = RLock()
        self._here: OrderedDict[Plane, Candidates] = OrderedDict()
        self._files: dict[Plane, Path] = {}
        self._folder: Path | None = None

    def __contains__(self, plane: Plane) -> bool:
        return plane in self._here or plane in self._files

    @property
    def planes(self) -> list[Plane]:
        """The planes, in order."""
        with self._lock:
            return sorted({*self._here, *self._files})

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        with self._lock:
            return sum(one.nbytes for one in self._here.values())

    @property
    def on_disk(self) -> int:
        """How many planes are on the disk only."""
        with self._lock:
            return len(self._files.keys() - self._here.keys())

    def put(self, plane: Plane, candidates: Candidates) -> None:
        """Keep the candidates of a plane, in place of those that it had."""
        with self._lock:
            if (old := self._files.pop(plane, None)) is not None:
                old.unlink(missing_ok=True)
            self._here[plane] = candidates
            self._here.move_to_end(plane)
            self._make_room()

    def get(self, plane: Plane) -> Candidates:
        """Return the candidates of a plane.

        Raises
        ------
        KeyError
            If there are none.
        CandidatesError
            If their file is gone or damaged.
        """
        with self._lock:
            if plane not in self._here:
                self._here[plane] = load_candidates(self._files[plane])
            self._here.move_to_end(plane)
            self._make_room()
            return self._here[plane]

    def take(self, other: PlaneStore) -> None:
        """Keep what another store has, too."""
        for plane in other.planes:
            self.put(plane, other.get(plane))

    def _make_room(self) -> None:
        while len(self._here) > 1 and self.nbytes > self.limit:
            plane = next(iter(self._here))
            if plane not in self._files:
                path = self._path(plane)
                try:
                    save_candidates(self._here[plane], path)
                except OutputError:
                    with suppress(OSError):
                        path.unlink(missing_ok=True)
                    return
                self._files[plane] = path
            del self._here[plane]

    def _path(self, plane: Plane) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sam2-automask-planes-"))
            finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder / f"{'-'.join(map(str, plane)) or 'plane'}.candidates.npz"
