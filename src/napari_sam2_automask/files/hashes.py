"""Hashes of image files, which say whether a file is the very same one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.known_hash import known_sha256
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.kinds import check_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["file_hash"]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of all files of a Zarr or an OIF, as hexadecimal digits.

    Raises
    ------
    ImageError
        If it cannot be read, or is neither a regular file nor a Zarr.
    """
    try:
        check_file(path)
        if path.is_dir():
            return _folder_hash(path)
        planes = path.with_name(f"{path.name}.files")
        if path.suffix.lower() != ".oif" or not planes.is_dir():
            return known_sha256(path)
        return hashlib.sha256(f"{known_sha256(path)}{_folder_hash(planes)}".encode()).hexdigest()
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror or error}): check the file") from error


def _folder_hash(path: Path) -> str:
    """Hash the names and bytes of all files in a folder."""
    digest = hashlib.sha256()
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()
