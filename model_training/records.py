"""Annotated images in memory, and how often each kind is drawn."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_sam2_automask.learning.windows.training_image import TrainingImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["SHARES", "load_records", "split"]

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


def _trust(gt_type: str) -> tuple[float, float]:
    """How far background and outlines can be trusted, by what the ground truth says of itself."""
    if gt_type == "instances":
        return 1.0, 1.0
    if gt_type == "instances-overlapping-flattened":
        return 0.15, 0.4
    if gt_type.startswith("instances-partial"):
        return 0.0, 0.3
    return 0.0, 1.0  # one class only, or not all: what is outlined is outlined well


def load_records(root: Path, licences_without: str = "SA") -> list[TrainingImage]:
    """Load every image of a data folder whose licence lets the weights be shipped.

    Parameters
    ----------
    root : Path
        Folder with index.csv (columns file, label, licence, modality, gt_type, group).
    licences_without : str
        Images whose image licence has this clause are left out: share-alike would bind the weights.

    Returns
    -------
    list of TrainingImage
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
            records.append(TrainingImage(image, [labels], kind, negatives, group, row["file"], outlines))
    return records


def split(
    records: Sequence[TrainingImage], share: float = 0.05
) -> tuple[list[TrainingImage], list[TrainingImage]]:
    """Hold out whole groups for validation, of every kind that has at least eight groups.

    Returns
    -------
    training, validation : list of TrainingImage
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
