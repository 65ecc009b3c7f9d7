"""Hashes of image files, which say whether a file is the very same one."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.kinds import check_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["file_hash"]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of all files of a Zarr, as hexadecimal digits.

    Raises
    ------
    ImageError
        If it cannot be read, or is neither a regular file nor a Zarr.
    """
    try:
        check_file(path)
        if path.is_dir():
            return _folder_hash(path)
        stat = check_regular(path)
        return _file_hash(path, stat.st_ino, stat.st_ctime_ns, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror or error}): check the file") from error


@lru_cache(maxsize=64)
def _file_hash(path: Path, *state: int) -> str:
    """Hash a file once, not for each of its planes, unless it changed meanwhile."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_hash(path: Path) -> str:
    """Hash the names and bytes of all files in a folder."""
    digest = hashlib.sha256()
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()
