"""Hashes of image files, which say whether a file is the very same one."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.json_file import json_bytes
from napari_sam2_automask.disk.known_hash import known_sha256
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.kinds import check_file
from napari_sam2_automask.files.series import attributes_of, is_zarr
from napari_sam2_automask.files.web_address import Address
from napari_sam2_automask.files.zarr_places import ZipPlace, is_zipped_zarr

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["file_hash"]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of all files of a Zarr or an OIF, as hexadecimal digits.

    Labels in an OME-Zarr do not count: it is the same image with them and without. Of one at a web address
    what it says of itself is hashed, not its pixels, which are read as they are needed.

    Raises
    ------
    ImageError
        If it cannot be read, or is neither a regular file nor a Zarr.
    """
    try:
        check_file(path)
        if isinstance(path, Address):
            return hashlib.sha256(json_bytes(attributes_of(path))).hexdigest()
        if path.is_dir():
            return _folder_hash(path)
        if is_zipped_zarr(path):
            return _zip_hash(path)
        planes = path.with_name(f"{path.name}.files")
        if path.suffix.lower() != ".oif" or not planes.is_dir():
            return known_sha256(path)
        return hashlib.sha256(f"{known_sha256(path)}{_folder_hash(planes)}".encode()).hexdigest()
    except OSError as error:
        raise ImageError(f"cannot read {path} ({error.strerror or error}): check the file") from error


def _folder_hash(path: Path) -> str:
    """Hash the names and bytes of all files in a folder."""
    digest = hashlib.sha256()
    labels = path / "labels"
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        if labels in file.parents and is_zarr(labels):
            continue
        digest.update(os.fsencode(file.relative_to(path)))
        with file.open("rb") as handle:
            digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


def _zip_hash(path: Path) -> str:
    """Hash the names and bytes of all files of a zipped Zarr."""
    digest, place = hashlib.sha256(), ZipPlace(path)
    try:
        for key in sorted(key for key in place.keys() if not key.startswith("labels/")):  # noqa: SIM118
            digest.update(key.encode())
            with place.open(key) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    finally:
        place.close()
    return digest.hexdigest()
