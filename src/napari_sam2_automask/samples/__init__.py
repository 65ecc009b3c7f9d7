"""Sample images that come with the package: real ones with ground truth, free to share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sample", "samples"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample image; where it is from is told in full by ATTRIBUTION.md beside it.

    Attributes
    ----------
    name, title : str
        What files and people call it.
    modality : str
        How it was taken, and of what.
    source, licence, attribution : str
        Where it is from, on what terms, and whom to thank.
    """

    name: str
    title: str
    modality: str
    source: str
    licence: str
    attribution: str

    @property
    def path(self) -> Path:
        """The image's file."""
        return _FOLDER / f"{self.name}.png"

    def image(self) -> NDArray[np.uint8]:
        """Return the image, (Y, X) gray or (Y, X, 3) RGB."""
        return _read(self.path)

    def truth(self) -> NDArray[np.uint16]:
        """Return the ground truth (Y, X): 0 for background, one integer for each object."""
        return _read(_FOLDER / f"{self.name}.truth.png").astype(np.uint16)


@cache
def samples() -> tuple[Sample, ...]:
    """Return the sample images."""
    return tuple(Sample(**item) for item in json.loads((_FOLDER / "index.json").read_text(encoding="utf-8")))


def _read(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as image:
        return np.array(image)
