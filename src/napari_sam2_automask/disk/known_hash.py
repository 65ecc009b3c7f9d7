"""The SHA-256 of a file, computed once for each state of it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.regular import check_regular

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["known_sha256"]


def known_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, computed once in this process for each state of the file.

    It tells which file an image came from, and which results are there already. What is loaded as a model is
    hashed with the very bytes instead: a file can be changed in ways that no state shows.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read, or is no regular file.
    """
    state = check_regular(path)
    return _known(path, state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=64)
def _known(path: Path, *state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
