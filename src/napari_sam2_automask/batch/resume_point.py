"""How far a run through a stack is, in a file beside its results, so that one that was stopped goes on."""

from __future__ import annotations

import json
import pickle
import time
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.leftovers import sweep
from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import UnfinishedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Unfinished"]

# To be counted up when what is kept changes.
_FORMAT = 1
# Seconds between two writes, and the largest share of the time that they may take: the memories of many
# objects are some gigabytes.
_EVERY = 10.0
_SHARE = 0.1
# A writer that has written nothing for so many seconds is gone: what it left is large.
_DEAD = 3600.0
# What torch.load raises for files that are not what was written.
_UNREADABLE = (OSError, RuntimeError, ValueError, LookupError, TypeError, EOFError, pickle.UnpicklingError)


class Unfinished:
    """A file that keeps how far a run is, as `Keeper` wants it.

    It is written after a plane, from time to time, complete or not at all. What is lost by a stop is the work
    since then.

    Parameters
    ----------
    path : Path
        The file.
    asked : dict
        What tells this run from any other; JSON-able.
    overwrite : bool
        Begin anew where what was kept is of another run or cannot be read.
    """

    def __init__(self, path: Path, asked: dict[str, Any], *, overwrite: bool = False) -> None:
        self._overwrite = overwrite
        self._path, self._asked = path, json.dumps(asked | {"unfinished": _FORMAT}, sort_keys=True)
        self._next = time.perf_counter() + _EVERY

    def found(self) -> dict[str, Any] | None:
        """Return what was kept last, or None if there is nothing.

        Raises
        ------
        UnfinishedError
            If it is of another run, or cannot be read, and is not to be overwritten.
        """
        # Left by a run that was killed while it wrote.
        sweep(self._path.parent, _DEAD)
        if not self._path.exists():
            return None
        try:
            return self._read()
        except UnfinishedError:
            if self._overwrite:
                return None
            raise

    def _read(self) -> dict[str, Any]:
        import torch

        try:
            check_regular(self._path)
            kept = torch.load(self._path, weights_only=True)
            asked, state = kept["asked"], kept["state"]
            state["labels"] = state["labels"].numpy().view(np.uint32)
        except _UNREADABLE as error:
            raise UnfinishedError(
                f"{self._path} is of a run that was stopped, and cannot be read: use --overwrite or another "
                "--out"
            ) from error
        if asked != self._asked:
            raise UnfinishedError(
                f"{self._path} is of another run that was stopped (other settings, model, threads or "
                "versions): repeat that one to go on with it, or use --overwrite or another --out"
            )
        found: dict[str, Any] = state
        return found

    def keep(self, make: Callable[[], dict[str, Any]]) -> None:
        """Write what `make` returns, unless that was done a moment ago.

        Raises
        ------
        OutputError
            If it cannot be written; what was kept before stays.
        """
        begun = time.perf_counter()
        if begun < self._next:
            return
        import torch

        state = make()
        # Numbers of objects stay far below 2^31, and torch keeps signed integers on every version.
        state["labels"] = torch.from_numpy(state["labels"].view(np.int32))

        def write(file: IO[bytes]) -> None:
            torch.save({"asked": self._asked, "state": state}, file)

        write_one(self._path, write)
        done = time.perf_counter()
        self._next = done + max(_EVERY, (done - begun) / _SHARE)

    def remove(self) -> None:
        """Remove the file: the run is finished."""
        self._path.unlink(missing_ok=True)
