"""Why a file cannot be written, in the user's words."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import OutputError, OutputNameError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_name", "writing"]


def check_name(path: Path) -> None:
    """Make sure that a file can have its name, before anything is done for it.

    Raises
    ------
    OutputNameError
        If the disk does not take the name, or a folder has it.
    """
    if not os.path.isdir(path.parent):
        return  # what is wrong with its folder is said when that is written to
    with writing(path, its_name=True), contextlib.suppress(FileNotFoundError, PermissionError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            raise IsADirectoryError(errno.EISDIR, "a folder has that name")


@contextlib.contextmanager
def writing(path: Path, *, its_name: bool = False, advice: str = "choose another folder") -> Iterator[None]:
    """Say in the user's words why a file cannot be written; with `its_name`, why not under its name."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise _explained(path, error, its_name, advice) from error


def _explained(path: Path, error: OSError, its_name: bool, advice: str) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"no space left for {path}; what is finished is kept: free some space and run the same again"
        )
    what = f"cannot write {path.name} ({error.strerror or error}: {path})"
    if not its_name:
        return OutputError(f"{what}: {advice}")
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
        return OutputNameError(f"{what}: choose a shorter and simpler name")
    return OutputNameError(f"{what}: move or close what has that name, or choose another")
