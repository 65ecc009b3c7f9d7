"""Which models there are: the bundled one, Meta's, and those that were learned. No torch, no network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.known_hash import known_sha256
from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.entry import ModelEntry
from napari_sam2_automask.models.catalogue.folders import own_folder
from napari_sam2_automask.models.catalogue.own_models import SUFFIX, check_own_name, own_entries

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["find_entry", "has_learned", "list_models", "own_path"]


_HASH = re.compile("[0-9a-f]{64}")


def _official(
    size: str, sha256: str, n_bytes: int, revision: str | None, title: str, purpose: str
) -> ModelEntry:
    in_name = size.replace("base+", "base_plus")
    return ModelEntry(
        name=f"sam2.1-{size}",
        title=title,
        purpose=purpose,
        family="sam2",
        file_name=f"sam2.1_hiera_{in_name}.pt",
        size=n_bytes,
        sha256=sha256,
        repo=f"facebook/sam2.1-hiera-{in_name.replace('_', '-')}",
        revision=revision,
        licence="Apache-2.0",
        aliases=tuple(dict.fromkeys((size, in_name, in_name.replace("_", "-"), f"sam2.1_hiera_{in_name}"))),
    )


_MODELS = (
    ModelEntry(
        name="bundled",
        title="Bundled (small, offline)",
        purpose="Comes with the plugin and is fast on a CPU; trained for microscopy.",
        family="bundled",
        file_name="bundled.safetensors",
        size=None,
        sha256=None,
        repo="",
        revision=None,
        licence="BSD-3-Clause",
    ),
    _official(
        "tiny",
        "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        156_008_466,
        "de431c4043854a71d8101e17995dfe596bf101a5",
        "SAM 2.1 tiny",
        "Meta's smallest: the one to try first, with or without a GPU.",
    ),
    _official(
        "small",
        "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        184_416_285,
        "ee5bba1d82bb8749febdf90f45e84b687142ba03",
        "SAM 2.1 small",
        "A little better than tiny for a little more time.",
    ),
    _official(
        "base+",
        "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        323_606_802,
        None,
        "SAM 2.1 base+",
        "The middle, better with a GPU.",
    ),
    _official(
        "large",
        "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        898_083_611,
        None,
        "SAM 2.1 large",
        "Meta's best masks, slowest; wants a GPU.",
    ),
)


def list_models() -> tuple[ModelEntry, ...]:
    """Return every model that can be chosen by name: the bundled one, Meta's, then learned ones.

    Returns
    -------
    tuple of ModelEntry
        `state` and `path` of an entry look at the disk each time they are asked.
    """
    return (*_MODELS, *own_entries())


def find_entry(name: str) -> ModelEntry:
    """Return the model of a name or alias, or the learned one whose file has a SHA-256.

    Raises
    ------
    ModelError
        If there is none; the message lists the names.
    """
    every = list_models()
    for entry in every:
        if name.lower() in (entry.name.lower(), *entry.aliases):
            return entry
        if entry.is_own and _HASH.fullmatch(name) and entry.path and known_sha256(entry.path) == name:
            return entry
    if _HASH.fullmatch(name):
        raise ModelError(
            f"There is no learned model with the SHA-256 {name[:12]}... on this computer: add its file with "
            "sam2-automask models add FILE."
        )
    known = ", ".join(entry.name for entry in every)
    raise ModelError(f"There is no model {name!r}. Choose one of {known}, or the path of a checkpoint file.")


def has_learned(sha256: str) -> bool:
    """Tell whether a learned model with that SHA-256 is on this computer."""
    try:
        return find_entry(sha256).is_own
    except ModelError:
        return False


def own_path(name: str) -> Path:
    """Return the file of a learned model of that name, whether it is there or not.

    Raises
    ------
    ModelError
        If a model cannot have that name: it is no plain one, or that of a model from elsewhere.
    """
    taken = tuple(known for entry in _MODELS for known in (entry.name, *entry.aliases))
    return own_folder() / f"{check_own_name(name, taken)}{SUFFIX}"
