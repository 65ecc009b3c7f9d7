"""Checking the files of models that are on this computer."""

from __future__ import annotations

import base64
from importlib.metadata import PackageNotFoundError, files
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.downloading import REINSTALL, download
from napari_sam2_automask.models.catalogue.hashing import sha256_of
from napari_sam2_automask.models.catalogue.registry import find_entry
from napari_sam2_automask.models.catalogue.transfer import Report, by_hand, size_of
from napari_sam2_automask.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_automask.models.catalogue.entry import ModelEntry

__all__ = ["verify"]


def verify(model: str | ModelEntry, progress: ProgressCallback = no_progress) -> str:
    """Read a model's whole file and check it.

    Parameters
    ----------
    model : str or ModelEntry
        Name or entry of the registry.
    progress : callable
        Takes `Progress("verify", bytes read, bytes in all)`; may raise `Cancelled`.

    Returns
    -------
    str
        The file's SHA-256. That of the bundled model is compared with the one in the installer's record of
        the package; an installation from a working copy has none.

    Raises
    ------
    ModelError
        If the file is not there, or its contents are not those of the registry.
    """
    entry = find_entry(model) if isinstance(model, str) else model
    path = entry.path
    if path is None and entry.is_bundled:
        download(entry)  # says that it is missing
    if path is None:
        found = f": the file there has {size_of(entry.target)} bytes" if entry.target.exists() else ""
        raise ModelError(f"{entry.name} is not downloaded{found}. {by_hand(entry)}")
    if entry.is_own:
        from napari_sam2_automask.models.loading import load_model

        load_model(path, device="cpu")  # says where it is not what it says
    report = Report(entry, progress, stage="verify")
    digest = sha256_of(path, report.reached)
    expected = _recorded_sha256(path) if entry.is_bundled else entry.sha256
    if expected not in (None, digest):
        remedy = (
            REINSTALL
            if entry.is_bundled
            else f"Remove it and download it again: sam2-automask models download {entry.name}"
        )
        raise ModelError(f"{path} is damaged: its SHA-256 is {digest} and should be {expected}. {remedy}")
    return digest


def _recorded_sha256(path: Path) -> str | None:
    """Return what the installer of this package wrote down about one of its files."""
    try:
        recorded = files("napari-sam2-automask") or []
    except PackageNotFoundError:
        return None
    for file in recorded:
        if file.hash and file.hash.mode == "sha256" and file.locate() == path:
            return base64.urlsafe_b64decode(file.hash.value + "=").hex()
    return None
