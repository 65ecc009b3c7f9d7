"""Files that are either whole or not there, and those that belong together all or none.

Each is written under a name of its own beside its place, see `leftovers`, flushed to the disk, and only then
renamed into its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from napari_sam2_automask.disk.leftovers import free_path, sweep_once
from napari_sam2_automask.disk.output_errors import check_name, writing
from napari_sam2_automask.errors import OutputError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Content", "make_folder", "sync", "write_all", "write_one"]

Content: TypeAlias = bytes | Callable[[IO[bytes]], Any]
"""What comes into a file: the bytes, or what writes them, given an open binary file."""

# What file systems say that cannot flush a folder; some folders may be written to but not read.
_NO_SYNC = (errno.ENOENT, errno.EINVAL, errno.ENOTSUP, errno.EACCES)
# Seconds in which another writer has long renamed its files, unless it is stopped or holds a lock of its own.
_PATIENCE = 0.5
_switching = threading.Lock()


def write_one(path: Path, content: Content, *, durable: bool = True, parents: bool = False) -> None:
    """Write a file so that a reader sees all of it or what was there before, whatever happens meanwhile.

    Parameters
    ----------
    path : Path
        Where to.
    content : bytes or callable
        What comes into it.
    durable : bool
        Wait until it is on the disk. Without that, a power failure (no crash of the process) may damage it.
    parents : bool
        Make its folder if need be.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before stays. An `OutputNameError` if that is due to its name.
    """
    if parents:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    write_all({path: content}, durable=durable)


def write_all(writers: Mapping[Path, Content], stale: Iterable[Path] = (), *, durable: bool = True) -> None:
    """Write files that belong together, all of them or none; the last one is the mark that all are there.

    All are written aside and flushed. Then the old ones are moved aside, the mark first, the new ones take
    their places, the mark last, and what lies aside is deleted. If that goes wrong or is interrupted halfway,
    it is taken back: the new ones go and the old ones return, the mark last.

    So a process that is killed, whenever that is, leaves all old files, all new ones, or no mark, and never a
    mark beside files of another run. Without a mark nothing is taken for done: who looks for it does the work
    again, which puts everything right. All of it was on the disk before the first file was renamed, so that
    only renaming has to be survived, which takes about a millisecond. What was killed then leaves files with
    names of `leftovers`, old and new, for a day. A single file is put in the place of an older one at once.

    Only regular files are replaced. Of a link to one the link goes and what it leads to stays as it is: that
    may be somebody's only copy.

    Several processes that write the same files take turns at renaming them, where the system has locks.

    Parameters
    ----------
    writers : mapping of Path to bytes or callable
        What comes into each file.
    stale : iterable of Path
        Files that do not belong to the new ones and go when they come.
    durable : bool
        Wait until all is on the disk.

    Raises
    ------
    OutputError
        If one cannot be written; then what was there before is there again. An `OutputNameError` if that is
        due to the name of one.
    """
    changes = [_Change(path, content) for path, content in writers.items()]
    mark = changes[-1]
    changes[:0] = [_Change(path, None) for path in stale]
    folders = {change.path.parent for change in changes}
    for folder in folders:
        sweep_once(folder)
    try:
        for change in changes:
            change.write(durable)
        if len(changes) == 1:
            mark.place()
        else:
            with _alone(mark.path.parent):
                _switch(changes)
    finally:
        for change in changes:
            change.forget_draft()
    if durable:
        for folder in folders:
            with writing(mark.path):
                sync(folder)


class _Change:
    """One file on its way; how far it has come is seen on the disk, so that no interruption confuses it."""

    def __init__(self, path: Path, content: Content | None) -> None:
        check_name(path)
        self.path = path
        self._content = content  # None: the file only goes
        self._draft, self._aside = free_path(path.parent), free_path(path.parent)
        self._written = self._fresh = False
        self._times: tuple[int, int] | None = None

    @property
    def placed(self) -> bool:
        """Whether the new file is in its place."""
        return self._written and os.path.lexists(self.path) and not os.path.lexists(self._draft)

    def write(self, durable: bool) -> None:
        """Write the new file aside."""
        if self._content is None:
            return
        with writing(self.path), self._draft.open("xb") as file:
            if isinstance(self._content, bytes):
                file.write(self._content)
            else:
                self._content(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        self._written = True

    def move_aside(self) -> None:
        """Move the old file aside, if there is one."""
        with writing(self.path, its_name=True):
            try:
                info = os.lstat(self.path)
            except FileNotFoundError:
                self._fresh = True
                return
            if stat.S_ISREG(info.st_mode):
                self._times = info.st_atime_ns, info.st_mtime_ns
                with contextlib.suppress(OSError):
                    os.utime(self.path)  # touched just now: nobody sweeps it
            os.replace(self.path, self._aside)

    def place(self) -> None:
        """Put the new file in its place."""
        if self._written:
            with writing(self.path, its_name=True):
                os.replace(self._draft, self.path)

    def put_back(self) -> None:
        """Make it as it was."""
        if os.path.lexists(self._aside):
            os.replace(self._aside, self.path)
        elif self._fresh and self.placed:
            self.path.unlink()
        if self._times is not None:
            with contextlib.suppress(OSError):
                os.utime(self.path, ns=self._times)

    def forget_draft(self) -> None:
        """Delete the new file if it lies aside still."""
        _remove(self._draft)

    def forget_old(self) -> None:
        """Delete the old file that lies aside."""
        _remove(self._aside)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _switch(changes: list[_Change]) -> None:
    """Put new files in the places of old ones; the last one is gone first and comes last."""
    *others, mark = changes
    try:
        for change in (mark, *others):
            change.move_aside()
        for change in changes:
            change.place()
    except BaseException as error:
        if mark.placed:  # interrupted when all was in place
            raise
        try:
            for change in changes:
                change.put_back()
        except OSError as again:
            # The mark must not come back beside files that did not.
            raise OutputError(
                f"{error}; and what was there before could not be put back ({again.strerror or again}): "
                f"look for it in {mark.path.parent} in files called .*.tmp, within a day"
            ) from error
        raise
    for change in changes:
        change.forget_old()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for others who rename files in a folder; not for ever, since a lock there may mean anything."""
    with _switching, contextlib.ExitStack() as stack:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)
                _lock(handle)
        yield


def _lock(handle: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.002)


def make_folder(folder: Path) -> None:
    """Make the output folder and make sure that it can be written to.

    Raises
    ------
    OutputError
        If it cannot be made or written to.
    """
    with writing(folder, advice="choose another folder with --out"):
        folder.mkdir(parents=True, exist_ok=True)
        probe = free_path(folder)
        probe.write_bytes(b"")
        probe.unlink()


def sync(path: Path) -> None:
    """Wait until a file's or a folder's content is on the disk; do nothing if it is not there."""
    if os.name == "nt":
        return  # there, only a file opened for writing can be flushed
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
