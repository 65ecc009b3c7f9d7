"""Files that are read: regular ones only; and files that are written: none of those that were read."""

from __future__ import annotations

import errno
import stat
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Inputs", "check_regular"]


def check_regular(path: Path) -> os.stat_result:
    """Make sure that a file is a regular one before it is opened: a pipe or a device may be read for ever.

    Returns
    -------
    os.stat_result
        What is known of it; links are followed.

    Raises
    ------
    OSError
        If it is not there, a folder, a pipe, a socket or a device; the text says which.
    """
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EEXIST, "it is no regular file")
    return found


class Inputs:
    """What is read, to be held against what is to be written.

    Parameters
    ----------
    paths : iterable of Path
        Files, and folders whose whole content is read. A file is the same whatever name or link leads to it.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = {identity: path for path in paths if (identity := _identity(path)) is not None}
        self._of_folder = cache(self._input_around)

    def replaced_by(self, target: Path) -> Path | None:
        """Return the input that would be replaced if a file were written; None if that does no harm."""
        identity = _identity(target)
        if identity is None:
            return None
        return self._paths.get(identity) or self._of_folder(target.absolute().parent)

    def _input_around(self, folder: Path) -> Path | None:
        identities = (_identity(one) for one in (folder, *folder.parents))
        return next((self._paths[one] for one in identities if one in self._paths), None)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
