"""The file in which a window keeps the mends of a result: each window has its own, and a crash leaves it."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from napari_sam2_automask.disk.atomic import make_folder, write_one
from napari_sam2_automask.disk.json_file import json_bytes, read_json
from napari_sam2_automask.errors import MendError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["MendsFile", "count_steps"]


class MendsFile:
    """A file that no other window writes, with what windows that crashed have left of the same result.

    A lock of the system is held beside each file, so that it is free again however its window has ended.

    Parameters
    ----------
    folder : Path
        Where the files are; made if it is not there.
    whose : str
        What the result is known by.

    Attributes
    ----------
    path : Path
        The file.
    found : list of dict
        What was kept in sessions that nobody answered for, the earliest first.

    Raises
    ------
    OSError, OutputError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path, whose: str) -> None:
        make_folder(folder)
        self._locks: dict[Path, FileLock] = {}
        self._busy, self._closed = Lock(), False
        number, self.path = 1, folder / f"{whose}.json"
        while not self._claim(self.path):
            number += 1
            self.path = folder / f"{whose}.{number}.json"
        left = [path for path in folder.glob(f"{whose}*.json") if path in self._locks or self._claim(path)]
        left.sort(key=lambda path: path.stat().st_mtime)
        self.found = [session for path in left for session in _sessions(_read(path))]

    def write(self, whole: Mapping[str, Any], before: list[dict[str, Any]]) -> None:
        """Write mends, and those of sessions `before` that wait for an answer, the earliest first."""
        nested: dict[str, Any] | None = None
        for one in (*before, whole):
            nested = {**one, "before": nested} if nested is not None else dict(one)
        with self._busy:
            if self._closed:
                return
            write_one(self.path, json_bytes(nested, None), parents=True)
            self._leave([path for path in self._locks if path != self.path])

    def delete(self) -> None:
        """Delete what is kept; the file is written anew by the next mends."""
        with self._busy:
            self._leave([path for path in self._locks if path != self.path])
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Delete what is kept, and write nothing any more."""
        with self._busy:
            self._closed = True
            self._leave(list(self._locks))

    def _claim(self, path: Path) -> bool:
        # Not bound to a thread: another one may end it.
        lock = FileLock(f"{path}.lock", timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._locks[path] = lock
        return True

    def _leave(self, paths: list[Path]) -> None:
        """Delete files and let go of them."""
        for path in paths:
            lock = self._locks.pop(path)
            with suppress(OSError):
                path.unlink(missing_ok=True)
            lock.release()
            with suppress(OSError):
                path.with_name(f"{path.name}.lock").unlink(missing_ok=True)


def _read(path: Path) -> Any:
    with suppress(MendError):  # one that cannot be read is written anew by the next mends
        return read_json(path, "mends that were kept", MendError)
    return None


def _sessions(found: Any) -> list[dict[str, Any]]:
    """Return what was kept in sessions that followed each other without an answer, the earliest first."""
    sessions: list[dict[str, Any]] = []
    while isinstance(found, dict):
        if count_steps(found):
            sessions.insert(0, {name: value for name, value in found.items() if name != "before"})
        found = found.get("before")
    return sessions


def count_steps(session: Mapping[str, Any]) -> int:
    """Return how many steps a session has; 0 where it cannot be read."""
    planes = session.get("planes", [session])
    steps = [one.get("steps") for one in planes if isinstance(one, dict)] if isinstance(planes, list) else []
    links = session.get("links")
    changes = links.get("changes") if isinstance(links, dict) else 0
    return sum(len(one) for one in steps if isinstance(one, list)) + (changes if type(changes) is int else 0)
