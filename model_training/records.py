"""Annotated images in memory, and how often each kind is drawn."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SHARES", "Record", "load_records", "split"]

SHARES = {
    "fluorescence": 0.18,
    "histology": 0.12,
    "phase": 0.17,
    "cytology": 0.05,
    "plant": 0.015,
    "facade": 0.015,
    "natural": 0.005,
    "worms": 0.06,
    "powder": 0.025,
    "superalloy": 0.025,
    "nanoparticles": 0.025,
    "bubbles": 0.03,
    "stones": 0.015,
    "mushrooms": 0.025,
    "embryos": 0.02,
    "flakes": 0.015,
    "melt pools": 0.005,
    "neurons": 0.015,
    "generated": 0.30,
}
"""Share of the training windows taken from each kind."""

#: By the beginning of `modality`, the longer ones first.
_KINDS = {
    "fluorescence": "fluorescence",
    "histology": "histology",
    "phase contrast": "phase",
    "brightfield cytology": "cytology",
    "SBF-SEM": "plant",
    "confocal plant nuclei": "plant",
    "natural photo (urban": "facade",
    "natural photo": "natural",
    "brightfield C. elegans": "worms",
    "brightfield live neurons": "neurons",
    "SEM metal powder": "powder",
    "SEM superalloy": "superalloy",
    "TEM nanoparticles": "nanoparticles",
    "high-speed video, bubbles": "bubbles",
    "photo, gravel": "stones",
    "photo, pebbles": "stones",
    "photo, mushroom": "mushrooms",
    "stereo microscope, insect embryos": "embryos",
    "optical microscopy, 2D material": "flakes",
    "optical metallography": "melt pools",
}


@dataclass(slots=True)
class Record:
    """One annotated image.

    Attributes
    ----------
    image : ndarray of uint8, shape (Y, X) or (Y, X, 3)
        Gray images are kept with one channel.
    levels : list of ndarray of int, shape (Y, X)
        Instance labels, coarsest first: whole objects, objects, parts. Usually there is one level only.
    kind : str
        Key of `SHARES`.
    negatives : float
        How far an unlabelled pixel can be trusted to be background: 1 where every object is annotated.
    outlines : float
        How far the outlines that there are can be trusted: less where overlapping objects were flattened.
    group : str
        Images of one group come from one field or session and must not be split.
    """

    image: NDArray[np.uint8]
    levels: list[NDArray[np.int32]]
    kind: str
    negatives: float
    group: str
    name: str = ""
    outlines: float = 1.0
    diameter: float = field(default=0.0)

    def __post_init__(self) -> None:
        areas = np.bincount(self.levels[min(1, len(self.levels) - 1)].ravel())[1:]
        areas = areas[areas > 0]
        self.diameter = float(2 * np.sqrt(np.median(areas) / np.pi)) if areas.size else 30.0


def _trust(gt_type: str) -> tuple[float, float]:
    """How far background and outlines can be trusted, by what the ground truth says of itself."""
    if gt_type == "instances":
        return 1.0, 1.0
    if gt_type == "instances-overlapping-flattened":
        return 0.15, 0.4
    if gt_type.startswith("instances-partial"):
        return 0.0, 0.3
    return 0.0, 1.0  # one class only, or not all: what is outlined is outlined well


def load_records(root: Path, licences_without: str = "SA") -> list[Record]:
    """Load every image of a data folder whose licence lets the weights be shipped.

    Parameters
    ----------
    root : Path
        Folder with index.csv (columns file, label, licence, modality, gt_type, group).
    licences_without : str
        Images whose image licence has this clause are left out: share-alike would bind the weights.

    Returns
    -------
    list of Record
    """
    records = []
    with (root / "index.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            if licences_without in row["licence"].replace("+", "-").split("-"):
                continue
            kind = next(v for k, v in _KINDS.items() if row["modality"].startswith(k))
            image = np.asarray(Image.open(root / row["file"]).convert("RGB"))
            if (image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all():
                image = image[..., 0]
            labels = np.asarray(Image.open(root / row["label"])).astype(np.int32)
            group = row["group"] or row["file"]
            negatives, outlines = _trust(row["gt_type"])
            image = np.ascontiguousarray(image)
            records.append(Record(image, [labels], kind, negatives, group, row["file"], outlines))
    return records


def split(records: Sequence[Record], share: float = 0.05) -> tuple[list[Record], list[Record]]:
    """Hold out whole groups for validation, of every kind that has at least eight groups.

    Returns
    -------
    training, validation : list of Record
        The choice depends on the groups' names only, so that it stays the same from run to run.
    """
    held: set[tuple[str, str]] = set()
    for kind in sorted({r.kind for r in records}):
        groups = sorted({r.group for r in records if r.kind == kind})
        if len(groups) >= 8:
            np.random.default_rng(7).shuffle(groups)
            held |= {(kind, g) for g in groups[: max(2, round(share * len(groups)))]}
    training = [r for r in records if (r.kind, r.group) not in held]
    return training, [r for r in records if (r.kind, r.group) in held]
