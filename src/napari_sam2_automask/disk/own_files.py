"""Folders that hold files of ours: what else lies in them, and deleting ours and nothing else."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

__all__ = ["foreign", "is_link", "remove_own"]


def is_link(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a symbolic link or a junction of Windows, whatever it leads to."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", 0)
    return stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", -1) == junction


def foreign(folder: Path, own: re.Pattern[str]) -> Iterator[Path]:
    """Yield what lies below a folder and is neither a folder nor a file of ours.

    Parameters
    ----------
    folder : Path
        Where to look. No link is followed.
    own : pattern
        Fits the whole name of a file of ours: its path from the folder on, with slashes. A link never is one.
    """
    for entry in _below(folder):
        if not (_is_folder(entry) or _is_own(entry, folder, own)):
            yield Path(entry.path)


def remove_own(folder: Path, own: re.Pattern[str]) -> None:
    """Delete the files of ours below a folder, and folders that are empty then, itself among them.

    Everything else stays: files of others, links and what they lead to, and what resists.

    Parameters
    ----------
    folder, own
        As for `foreign`.
    """
    if is_link(folder):
        return
    for entry in _below(folder):
        with contextlib.suppress(OSError):
            if _is_folder(entry):
                os.rmdir(entry.path)
            elif _is_own(entry, folder, own):
                os.unlink(entry.path)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _below(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield all that lies below a folder, what is in a folder before the folder itself."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return
    for entry in entries:
        if _is_folder(entry):
            yield from _below(entry.path)
        yield entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # To Python 3.11 a junction is a folder.
    return entry.is_dir(follow_symlinks=False) and not (os.name == "nt" and is_link(entry))


def _is_own(entry: os.DirEntry[str], folder: Path, own: re.Pattern[str]) -> bool:
    name = Path(entry.path).relative_to(folder).as_posix()
    return own.fullmatch(name) is not None and entry.is_file(follow_symlinks=False)
