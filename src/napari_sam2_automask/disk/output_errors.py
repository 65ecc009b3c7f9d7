"""Why a file cannot be written, in the user's words."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.own_files import is_link
from napari_sam2_automask.disk.regular import Inputs, check_regular
from napari_sam2_automask.errors import OutputError, OutputNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["check_name", "check_targets", "writing"]


def check_name(path: Path) -> None:
    """Make sure that a file can have its name, before anything is done for it.

    Raises
    ------
    OutputNameError
        If the disk does not take the name, or something has it that is no regular file, such as a folder, a
        pipe or a device, a link to one, or one of the system's own links, such as ``/dev/stdout``.
    """
    if not os.path.isdir(path.parent):
        return  # what is wrong with its folder is said when that is written to
    with writing(path, its_name=True), contextlib.suppress(FileNotFoundError, PermissionError):
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, "a folder has that name")
        check_regular(path)
        if is_link(path) and os.path.realpath(path.parent).startswith(("/dev", "/proc")):
            # It may lead to a regular file just now, and would be gone for all programs.
            raise OSError(errno.EEXIST, "it is no regular file")


def check_targets(files: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Make sure that files can have their names and that none is written over what is read.

    Parameters
    ----------
    files : iterable of Path
        What is to be written.
    inputs : iterable of Path
        What is read, as for `Inputs`.

    Raises
    ------
    OutputNameError
        If not; before anything is done.
    """
    known = Inputs(inputs)
    for file in files:
        check_name(file)
        clash = known.replaced_by(file)
        if clash is not None:
            raise OutputNameError(f"{file} would replace {clash}, which is read: choose another name")


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
