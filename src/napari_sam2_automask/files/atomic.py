"""Files that are either whole or not there: written aside, flushed, renamed, and carrying their checksum."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["pack", "read_checked", "sync", "unpack", "write_atomic", "write_checked", "writing"]

_MAGIC = b"sam2-automask 1 "
_HEADER = len(_MAGIC) + 64 + 1


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in the user's words why a file cannot be written."""
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"no space left for {path}; what is finished is kept: free some space and run the same again"
            ) from error
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def sync(path: Path) -> None:
    """Wait until a file's or a folder's content is on the disk; do nothing if it is not there."""
    if os.name == "nt":
        return  # there, only a file opened for writing can be flushed
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader sees all of it or what was there before, whatever happens meanwhile.

    Parameters
    ----------
    path : Path
        Where to; its folder is made if need be.
    data : bytes
        The content.
    durable : bool
        Wait until it is on the disk. Without that, a power failure (no crash of the process) may damage it.

    Raises
    ------
    OutputError
        If it cannot be written; what was there before stays.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(aside, path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        if durable:
            sync(path.parent)


def write_checked(path: Path, payload: bytes, *, durable: bool = True) -> None:
    """Write a file as `write_atomic` does, with its SHA-256 in front."""
    write_atomic(
        path, _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload, durable=durable
    )


def read_checked(path: Path) -> bytes | None:
    """Return what `write_checked` was given, or None if the file is not there or is damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    payload = data[_HEADER:]
    whole = data[:_HEADER] == _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
    return payload if whole else None


def pack(**arrays: NDArray[Any]) -> bytes:
    """Return arrays as the bytes of a compressed NumPy archive; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(payload: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of `pack`."""
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
