"""Which weights a name or a file stands for, without loading them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.known_hash import known_sha256
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.own_models import card_of_file, entry_of_card
from napari_sam2_automask.models.catalogue.registry import find_entry

if TYPE_CHECKING:
    from napari_sam2_automask.models.catalogue.entry import ModelEntry
    from napari_sam2_automask.settings.presets import HasPresets

__all__ = ["by_hash", "presets_of_model", "sha256_of_model"]


def by_hash(source: str) -> str:
    """Return what finds the same weights in another process, later, or on another computer.

    Parameters
    ----------
    source : str
        A name from `list_models`, or the path of a checkpoint.

    Returns
    -------
    str
        Of a learned model the SHA-256 of its file, since another one may have its name there; of others, and
        of what is not known, what was given.
    """
    try:
        if Path(source).expanduser().is_file():
            return source
        entry = find_entry(source)
        return known_sha256(entry.target) if entry.is_own else source
    except (OSError, ModelError):  # whoever loads it says what is wrong
        return source


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


def presets_of_model(source: str, family: str) -> str | HasPresets:
    """Return what presets are resolved for: a learned model with its own, or else a family.

    Parameters
    ----------
    source : str
        A name from `list_models`, or the path of a checkpoint.
    family : str
        The family of models that are not learned.
    """
    path = Path(source).expanduser()
    try:
        if path.is_file():
            card = card_of_file(path)
            return family if card is None else entry_of_card(path, card)
        entry: ModelEntry = find_entry(source)
    except (OSError, ModelError):  # whoever loads it says what is wrong
        return family
    return entry if entry.is_own else family
