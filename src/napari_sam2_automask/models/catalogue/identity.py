"""Which weights a name or a file stands for, without loading them."""

from __future__ import annotations

from pathlib import Path

from napari_sam2_automask.disk.known_hash import known_sha256
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.registry import find_entry

__all__ = ["sha256_of_model"]


def sha256_of_model(source: str) -> str | None:
    """Return the SHA-256 of a model's weights; None if it is not known before the model is loaded.

    Parameters
    ----------
    source : str
        A name from `list_models`, or the path of a checkpoint.
    """
    path = Path(source).expanduser()
    try:
        if not path.is_file():
            entry = find_entry(source)
            if entry.sha256 is not None:
                return entry.sha256
            path = entry.target
        return known_sha256(path)
    except (OSError, ModelError):  # whoever loads it says what is wrong
        return None
