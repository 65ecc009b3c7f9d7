"""What files are called while they are written, so that what killed writers leave can be told and swept."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DAY", "LEFTOVER", "free_path", "leftovers", "sweep", "sweep_once"]

#: The names of such files, and of nothing else: random, and so short that whatever name a disk takes for the
#: file itself can be written.
LEFTOVER = re.compile(r"\.[0-9a-f]{8}\.tmp")
#: Seconds after which nobody can be writing a file any more that was not touched since.
DAY = 86_400.0

_swept: set[Path] = set()


def free_path(folder: Path) -> Path:
    """Return a path in a folder, of a name as above, at which nothing lies."""
    while os.path.lexists(path := folder / f".{secrets.token_hex(4)}.tmp"):
        pass
    return path


def leftovers(folder: Path) -> Iterator[str]:
    """Yield the names of what is being written in a folder, or was left by killed writers."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if LEFTOVER.fullmatch(entry.name))


def sweep(folder: Path, older_than: float = DAY) -> None:
    """Remove what killed writers left in a folder; links and folders stay, and so does what resists.

    Parameters
    ----------
    folder : Path
        Where to look, not below it.
    older_than : float
        Seconds for which a file must not have been touched.
    """
    latest = time.time() - older_than
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if LEFTOVER.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < latest:
                        os.unlink(entry.path)


def sweep_once(folder: Path) -> None:
    """Sweep a folder when this process comes there first: looking through it takes time where much lies."""
    where = folder.absolute()
    if where not in _swept:
        _swept.add(where)
        sweep(where)
