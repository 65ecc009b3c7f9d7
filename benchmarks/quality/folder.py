"""Read a folder of annotated images in the benchmarks' format: index.csv, images, 16-bit labels."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Annotated", "kind_of", "read_folder"]

_KINDS = (
    ("fluorescence", "fluorescence"),
    ("histology", "histology"),
    ("phase contrast", "phase contrast"),
    ("brightfield cytology", "cytology"),
    ("electron microscopy particles", "EM particles"),
    ("natural photo (urban", "facades"),
    ("natural photo (regions", "natural regions"),
    ("natural photo", "natural objects"),
    ("SBF-SEM", "plant EM"),
    ("SEM plant", "plant EM"),
)


@dataclass(frozen=True, slots=True)
class Annotated:
    """One image with its ground truth.

    Attributes
    ----------
    name : str
        File name.
    kind : str
        Short name of the modality.
    gt_type : str
        What the ground truth may be used for; see `complete`.
    image : ndarray of uint8, shape (Y, X) or (Y, X, 3)
    truth : ndarray of int32, shape (Y, X)
        0 is background or unlabelled.
    group : str
        Images of one group come from one field or session.
    """

    name: str
    kind: str
    gt_type: str
    image: NDArray[np.uint8]
    truth: NDArray[np.int32]
    group: str

    @property
    def complete(self) -> bool:
        """Whether every object is annotated, so that a label without a partner is an error."""
        return self.gt_type == "instances"


def kind_of(modality: str) -> str:
    """Short name of a modality; the modality itself where none is known."""
    return next((short for start, short in _KINDS if modality.startswith(start)), modality)


def read_folder(root: Path) -> Iterator[Annotated]:
    """Yield the images of a folder one at a time, in the order of its index."""
    with (root / "index.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            with Image.open(root / row["file"]) as opened:
                image = np.asarray(opened if opened.mode in ("L", "RGB") else opened.convert("RGB"))
            with Image.open(root / row["label"]) as opened:
                truth = np.asarray(opened).astype(np.int32)
            group = row.get("group") or row["file"]
            yield Annotated(row["file"], kind_of(row["modality"]), row["gt_type"], image, truth, group)
