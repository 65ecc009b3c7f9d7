"""Arrays in files that carry their checksum, so that what a power failure damaged can be told."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.atomic import write_one

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["pack", "read_checked", "unpack", "write_checked"]

_MAGIC = b"sam2-automask 1 "
_HEADER = len(_MAGIC) + 64 + 1


def write_checked(path: Path, payload: bytes, *, durable: bool = True) -> None:
    """Write a file as `write_one` does, with its SHA-256 in front; its folder is made if need be."""
    content = _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload
    write_one(path, content, durable=durable, parents=True)


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
