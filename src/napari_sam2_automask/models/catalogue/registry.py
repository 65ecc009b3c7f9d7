"""Which models there are, and where their files lie. Plain data and file look-ups: no torch, no network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from platformdirs import user_cache_dir

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.settings.numbers import shown

if TYPE_CHECKING:
    from napari_sam2_automask.models.networks.model import Family

__all__ = [
    "HOME_VARIABLE",
    "OFFLINE_VARIABLE",
    "ModelEntry",
    "ModelState",
    "find_entry",
    "home_folder",
    "list_models",
    "model_folder",
]

ModelState: TypeAlias = Literal["bundled", "downloaded", "needs download"]

HOME_VARIABLE = "SAM2_AUTOMASK_HOME"
OFFLINE_VARIABLE = "SAM2_AUTOMASK_OFFLINE"
"""Environment variable that moves the folder where downloaded models and notes about them lie."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be chosen by name.

    Attributes
    ----------
    name : str
        What `load_model` and the command line take.
    title : str
        What a person reads in a list.
    purpose : str
        One sentence: when to choose it.
    family : str
        ``"bundled"`` or ``"sam2"``.
    file_name : str
        Of the weights.
    size : int or None
        Of that file in bytes; None for the bundled model, whose file is at hand.
    sha256 : str or None
        Of that file; None for the bundled model, which comes with the package.
    repo : str
        Its repository on the Hugging Face hub; empty for the bundled model.
    revision : str or None
        Commit of that repository. None where none is published that we know: then the file is taken from
        the main branch and `sha256` alone says that it is the right one.
    licence : str
        SPDX identifier of the weights' licence.
    aliases : tuple of str
        Other names that are understood.
    """

    name: str
    title: str
    purpose: str
    family: Family
    file_name: str
    size: int | None
    sha256: str | None
    repo: str
    revision: str | None
    licence: str
    aliases: tuple[str, ...] = ()

    @property
    def is_bundled(self) -> bool:
        """Whether the model comes with the package."""
        return not self.repo

    @property
    def target(self) -> Path:
        """Where the file belongs, whether it is there or not."""
        folder = Path(__file__).parents[1] if self.is_bundled else model_folder()
        return folder / self.file_name

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where files of its name and size are: in our folder, then in the Hugging Face cache.

        Only the size is looked at here. The contents are checked when the file is loaded.
        """
        candidates = [self.target] if self.is_bundled else [self.target, *self._in_hub_cache()]
        return tuple(path for path in candidates if self._has_right_size(path))

    @property
    def path(self) -> Path | None:
        """The first of `paths`; None if there is none."""
        return next(iter(self.paths), None)

    @property
    def state(self) -> ModelState:
        """``"bundled"``, ``"downloaded"`` or ``"needs download"``."""
        if self.is_bundled:
            return "bundled"
        return "downloaded" if self.path else "needs download"

    @property
    def bytes(self) -> int:
        """Size of the file in bytes."""
        if self.size is not None:
            return self.size
        return self.target.stat().st_size if self.target.is_file() else 0

    @property
    def status(self) -> str:
        """The state in words for a list, such as ``"needs a download of 156 MB"``."""
        if self.state == "needs download":
            return f"needs a download of {self.bytes / 1e6:.0f} MB"
        return self.state

    @property
    def page(self) -> str:
        """Web page from which a person can fetch the file with a browser; empty for the bundled model."""
        revision = self.revision or "main"
        return f"https://huggingface.co/{self.repo}/blob/{revision}/{self.file_name}" if self.repo else ""

    def _has_right_size(self, path: Path) -> bool:
        try:
            return path.is_file() and self.size in (None, path.stat().st_size)
        except OSError:
            return False

    def _in_hub_cache(self) -> list[Path]:
        # The layout of the cache is documented. Looking by hand spares the import of huggingface_hub, and
        # any revision will do, because the sha256 decides.
        try:
            folder = _hub_cache() / f"models--{self.repo.replace('/', '--')}" / "snapshots"
            return sorted(folder.glob(f"*/{self.file_name}"))
        except (OSError, ModelError):  # a name too long, a home that nobody has: then there is no such cache
            return []


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
    """Return every model that can be chosen by name, the bundled one first.

    Returns
    -------
    tuple of ModelEntry
        `state` and `path` of an entry look at the disk each time they are asked.
    """
    return _MODELS


def find_entry(name: str) -> ModelEntry:
    """Return the model of a name or alias.

    Raises
    ------
    ModelError
        If there is none; the message lists the names.
    """
    for entry in _MODELS:
        if name.lower() in (entry.name, *entry.aliases):
            return entry
    known = ", ".join(entry.name for entry in _MODELS)
    raise ModelError(f"There is no model {name!r}. Choose one of {known}, or the path of a checkpoint file.")


def home_folder() -> Path:
    """Return the folder of everything that this project stores: `SAM2_AUTOMASK_HOME`, else a cache folder."""
    own = user_cache_dir("napari-sam2-automask", appauthor=False)
    return _folder_in(HOME_VARIABLE, own).absolute()


def model_folder() -> Path:
    """Return the folder where downloaded models lie, and where a file can be put by hand."""
    return home_folder() / "models"


def _hub_cache() -> Path:
    if os.environ.get("HF_HUB_CACHE"):
        return _folder_in("HF_HUB_CACHE")
    if os.environ.get("HF_HOME"):
        return _folder_in("HF_HOME") / "hub"
    return _folder_in("XDG_CACHE_HOME", "~/.cache") / "huggingface" / "hub"


def _folder_in(variable: str, otherwise: str = "") -> Path:
    """Return the folder that an environment variable names, or another where it names none.

    Raises
    ------
    ModelError
        If it begins with the home of a user who does not exist.
    """
    try:
        return Path(os.environ.get(variable) or otherwise).expanduser()
    except RuntimeError as error:
        raise ModelError(
            f"The environment variable {variable} is {shown(os.environ.get(variable))}, and there is no such "
            "home folder. Give a whole path."
        ) from error
