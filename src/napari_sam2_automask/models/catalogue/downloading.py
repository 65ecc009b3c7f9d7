"""Getting a model's file, whole and unchanged, once for all programs that want it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.folders import HOME_VARIABLE, OFFLINE_VARIABLE
from napari_sam2_automask.models.catalogue.hashing import sha256_of
from napari_sam2_automask.models.catalogue.registry import find_entry
from napari_sam2_automask.models.catalogue.transfer import Report, by_hand, fetch, size_of
from napari_sam2_automask.progress import ProgressCallback, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_sam2_automask.models.catalogue.entry import ModelEntry

__all__ = ["REINSTALL", "download"]

REINSTALL = "Install the package again: pip install --force-reinstall --no-deps napari-sam2-automask"
"""What to do when the bundled model is missing or damaged."""


def download(model: str | ModelEntry, progress: ProgressCallback = no_progress) -> Path:
    """Return a model's file, after fetching it if it is not there.

    A download that was cancelled or broke off is gone on with. Two processes that want the same file do not
    disturb each other: one fetches, the other waits.

    Parameters
    ----------
    model : str or ModelEntry
        Name or entry of the registry.
    progress : callable
        Takes `Progress("download", bytes, bytes in all)` at least every 0.3 s; may raise `Cancelled`, which
        acts within a second and keeps what has come in.

    Returns
    -------
    Path
        The file, whose SHA-256 is that of the registry.

    Raises
    ------
    ModelError
        If the file cannot be had. The message says why, and how to put the file there by hand.
    Cancelled
        If `progress` raised it.
    """
    entry = find_entry(model) if isinstance(model, str) else model
    if entry.is_bundled:
        if not entry.target.is_file():
            raise ModelError(
                f"The bundled model is missing from the installation ({entry.target}). {REINSTALL}"
            )
        return entry.target
    if entry.is_own:
        return entry.target
    report = Report(entry, progress)
    ready = _sound_file(entry, report)
    if ready:
        return ready
    if os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0"):
        raise ModelError(
            f"{entry.name} is not on this computer, and nothing is to be downloaded (offline in the "
            f"preferences, or the environment variable {OFFLINE_VARIABLE}). {by_hand(entry)}"
        )
    with _writing(entry), _locked(entry, report):
        ready = _sound_file(entry, report)  # another process may have fetched it while we waited
        if ready:
            return ready
        if entry.target.exists():
            _quarantine(entry.target)
        return _fetch_checked(entry, report)


def _sound_file(entry: ModelEntry, report: Report) -> Path | None:
    """Return the model's file if it is there and its contents are right."""
    for path in entry.paths:
        if sha256_of(path, report.all_there) == entry.sha256:
            report.all_there()
            return path
    return None


def _fetch_checked(entry: ModelEntry, report: Report) -> Path:
    # The hash in the name keeps what is left of another version apart.
    part = entry.target.with_name(f"{entry.file_name}.{(entry.sha256 or '')[:8]}.part")
    for resumed in (size_of(part) > 0, False):
        fetch(entry, part, report)
        digest = sha256_of(part, report.all_there)
        if digest == entry.sha256:
            os.replace(part, entry.target)
            return entry.target
        part.unlink()
        if not resumed:  # else the old beginning may be to blame: once more from the start
            break
    raise ModelError(
        f"{entry.name} came in damaged and was removed: its SHA-256 is {digest} and should be "
        f"{entry.sha256}. Try again; a network that changes files may be to blame. {by_hand(entry)}"
    )


def _quarantine(path: Path) -> None:
    """Move a bad file out of the way; a person put it there, perhaps, so it is not deleted."""
    os.replace(path, path.with_name(f"{path.name}.bad"))


@contextmanager
def _writing(entry: ModelEntry) -> Iterator[None]:
    """Make the folder, and say clearly what is wrong when it cannot be written to."""
    folder = entry.target.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ModelError(
            f"{entry.name} cannot be stored in {folder}: {error.strerror or error}. Make room, make the "
            f"folder writable, or choose another one with the environment variable {HOME_VARIABLE}."
        ) from error


@contextmanager
def _locked(entry: ModelEntry, report: Report) -> Iterator[None]:
    """Hold the file's lock. While another process has it, report how far that one is."""
    lock = FileLock(f"{entry.target}.lock")
    while True:
        try:
            lock.acquire(timeout=0.1)
            break
        except Timeout:
            parts = entry.target.parent.glob(f"{entry.file_name}.*.part")
            report.reached(max(map(size_of, parts), default=0))
    try:
        yield
    finally:
        lock.release()
