"""SHA-256 of model files, computed once per state of a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.json_file import read_json
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.registry import home_folder

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

__all__ = ["Tick", "remembered_sha256", "sha256_of"]

Tick: TypeAlias = Callable[[int], None]
"""Takes the number of bytes done; may raise to cancel."""

_BLOCK = 4 << 20


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
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            tick(done)
    return digest.hexdigest()


def remembered_sha256(path: Path, tick: Tick, *, fresh: bool = False) -> str:
    """Return a file's SHA-256, from memory if the file has not changed since it was last computed.

    What is remembered is kept in ``hashes.json`` in the home folder, by path, size and time of change.

    Parameters
    ----------
    path, tick
        As for `sha256_of`.
    fresh : bool
        Compute it whatever is remembered.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    path = path.resolve()
    before = path.stat()
    state = [before.st_size, before.st_mtime_ns]
    known = _read_notes().get(str(path))
    if not fresh and isinstance(known, list) and known[:2] == state and len(known) == 3:
        return str(known[2])
    digest = sha256_of(path, tick)
    after = path.stat()
    if [after.st_size, after.st_mtime_ns] == state:  # else it was written to meanwhile: remember nothing
        _write_note(str(path), [*state, digest])
    return digest


def _notes_file() -> Path:
    return home_folder() / "hashes.json"


def _read_notes() -> dict[str, Any]:
    try:
        notes = read_json(_notes_file(), "notes of hashes", ModelError)
    except ModelError:
        return {}
    return notes if isinstance(notes, dict) else {}


def _write_note(path: str, note: list[int | str]) -> None:
    # Two processes may lose each other's note: then a hash is computed once more, nothing worse. A home
    # folder that cannot be written to costs the same.
    notes = {**_read_notes(), path: note}
    with suppress(OSError):
        write_one(_notes_file(), json.dumps(notes, indent=1).encode(), durable=False, parents=True)
