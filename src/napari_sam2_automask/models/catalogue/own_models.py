"""The models that were learned on this computer, or that a person put beside them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.card import Card, card_in_header
from napari_sam2_automask.models.catalogue.entry import ModelEntry
from napari_sam2_automask.models.catalogue.folders import own_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SUFFIX", "card_of_file", "check_own_name", "entry_of_card", "own_entries"]

SUFFIX = ".safetensors"
_NAME = re.compile(r"[^\W_][\w .+-]{0,63}")


def own_entries() -> tuple[ModelEntry, ...]:
    """Return the learned models, by name; files that are none are left out."""
    try:
        files = sorted(own_folder().glob(f"*{SUFFIX}"))
    except (OSError, ModelError):  # no such home; whoever writes there says so
        return ()
    return tuple(entry for file in files if (entry := _entry(file)) is not None)


def card_of_file(path: Path) -> Card | None:
    """Read what a file says of itself, once for each state of it.

    Returns
    -------
    Card or None
        None for other files.

    Raises
    ------
    ModelError
        If the card is not allowed.
    OSError
        If the file cannot be read.
    """
    state = path.stat()
    return _card(path, state.st_size, state.st_mtime_ns, state.st_ino)


def check_own_name(name: str, taken: tuple[str, ...]) -> str:
    """Return a name that a learned model can have.

    Parameters
    ----------
    name : str
        What a person calls it.
    taken : tuple of str
        Names and aliases of other models.

    Raises
    ------
    ModelError
        If it is one of those, or no plain name.
    """
    if (
        not _NAME.fullmatch(name)
        or name != name.strip(" .")
        or name.lower().endswith((SUFFIX, ".pt", ".pth"))
    ):
        raise ModelError(
            f"{name!r} cannot be a model's name: take up to 64 letters, digits, spaces, '-', '.', '+' and "
            "'_', the first a letter or a digit"
        )
    if name.lower() in taken:
        raise ModelError(f"{name!r} is the name of another model: choose another one")
    return name


def _entry(file: Path) -> ModelEntry | None:
    try:
        card = card_of_file(file)
    except (OSError, ModelError):  # said when somebody loads it
        return None
    return None if card is None else entry_of_card(file, card)


def entry_of_card(file: Path, card: Card) -> ModelEntry:
    """Return the entry of a learned model whose file says this of itself."""
    what = {"accuracy": "mean segmentation accuracy", "iou": "mean IoU"}[card.measure]
    return ModelEntry(
        name=file.stem,
        title=f"{file.stem} (learned)",
        purpose=(
            f"Learned from {card.objects} objects on {card.date[:10]}; {what} on what was held back "
            f"{card.before:.2f} before, {card.after:.2f} after."
        ),
        family="bundled" if card.config == "bundled" else "sam2",
        file_name=file.name,
        size=None,
        sha256=None,
        repo="",
        revision=None,
        licence="",
        file=file,
        presets=dict(card.presets),
    )


@lru_cache(maxsize=256)
def _card(path: Path, *state: int) -> Card | None:
    with path.open("rb") as file:
        return card_in_header(file.read)
