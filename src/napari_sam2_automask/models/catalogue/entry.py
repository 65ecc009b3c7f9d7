"""What is known of a model before it is loaded, and where its file is looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_sam2_automask.errors import ModelError
from napari_sam2_automask.models.catalogue.folders import hub_cache, model_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_automask.models.networks.model import Family
    from napari_sam2_automask.settings.amg import AmgSettings

__all__ = ["ModelEntry", "ModelState"]

ModelState: TypeAlias = Literal["bundled", "yours", "downloaded", "needs download"]


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
        Of that file; None for the bundled model, which comes with the package, and for learned ones.
    repo : str
        Its repository on the Hugging Face hub; empty for the bundled model.
    revision : str or None
        Commit of that repository. None where none is published that we know: then the file is taken from
        the main branch and `sha256` alone says that it is the right one.
    licence : str
        SPDX identifier of the weights' licence.
    aliases : tuple of str
        Other names that are understood.
    file : Path or None
        The file of a learned model; None for all others.
    presets : mapping of str to AmgSettings
        A learned model's own coarse, balanced and fine; empty for all others.
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
    file: Path | None = None
    presets: Mapping[str, AmgSettings] = field(default_factory=dict, hash=False)

    @property
    def is_bundled(self) -> bool:
        """Whether the model comes with the package."""
        return not self.repo and not self.is_own

    @property
    def is_own(self) -> bool:
        """Whether it was learned from a person's images."""
        return self.file is not None

    @property
    def target(self) -> Path:
        """Where the file belongs, whether it is there or not."""
        if self.file is not None:
            return self.file
        folder = Path(__file__).parents[1] if self.is_bundled else model_folder()
        return folder / self.file_name

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where files of its name and size are: in our folder, then in the Hugging Face cache.

        Only the size is looked at here. The contents are checked when the file is loaded.
        """
        candidates = [self.target] if not self.repo else [self.target, *self._in_hub_cache()]
        return tuple(path for path in candidates if self._has_right_size(path))

    @property
    def path(self) -> Path | None:
        """The first of `paths`; None if there is none."""
        return next(iter(self.paths), None)

    @property
    def state(self) -> ModelState:
        """``"bundled"``, ``"yours"``, ``"downloaded"`` or ``"needs download"``."""
        if self.is_bundled:
            return "bundled"
        if self.is_own:
            return "yours"
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
            folder = hub_cache() / f"models--{self.repo.replace('/', '--')}" / "snapshots"
            return sorted(folder.glob(f"*/{self.file_name}"))
        except (OSError, ModelError):  # a name too long, a home that nobody has: then there is no such cache
            return []
