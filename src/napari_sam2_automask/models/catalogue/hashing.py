"""SHA-256 of model files: of what is loaded, always that of the very bytes."""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, TypeAlias

from napari_sam2_automask.disk.regular import check_regular

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Tick", "read_hashed", "sha256_of"]

Tick: TypeAlias = Callable[[int], None]
"""Takes the number of bytes done; may raise to cancel."""

_BLOCK = 4 << 20
# Nine times the largest official model; more is no such model, and might not fit into memory.
_MOST = 8_000_000_000


def sha256_of(path: Path, tick: Tick) -> str:
    """Read a file and return its SHA-256.

    Parameters
    ----------
    path : Path
        The file.
    tick : callable
        Called after every 4 MiB with the number of bytes read so far.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    check_regular(path)
    with path.open("rb") as file:
        return _hash(file, lambda block: None, tick)


def read_hashed(path: Path, tick: Tick) -> tuple[io.BytesIO, str]:
    """Read a file into memory and return it with the SHA-256 of just these bytes.

    Whoever goes on with them has what the hash says, whatever becomes of the file.

    Parameters
    ----------
    path, tick
        As for `sha256_of`.

    Raises
    ------
    OSError
        If the file cannot be read, or is larger than any such model.
    """
    size = check_regular(path).st_size
    if size > _MOST:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, and no model has more than {_MOST:,}")
    content = io.BytesIO()
    with path.open("rb") as file:
        digest = _hash(file, content.write, tick)
    content.seek(0)
    return content, digest


def _hash(file: IO[bytes], keep: Callable[[bytes], object], tick: Tick) -> str:
    digest = hashlib.sha256()
    done = 0
    while block := file.read(_BLOCK):
        digest.update(block)
        keep(block)
        done += len(block)
        tick(done)
    return digest.hexdigest()
