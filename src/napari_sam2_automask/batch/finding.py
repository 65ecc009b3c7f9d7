"""Which image files to segment, and what to call their results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.reading import SUFFIXES
from napari_sam2_automask.files.series import images_in_zarr, is_zarr, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["find_images", "unique_stems"]


def find_images(inputs: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Return the image files among files and folders, each once, and what of the inputs is of no use.

    Parameters
    ----------
    inputs : sequence of Path
        Files, taken whatever their names; Zarrs, of which every image is taken (all fields of a plate); and
        folders, searched (not their subfolders) for TIFF, PNG and JPEG files and OME-Zarrs in alphabetical
        order, hidden files and our own results left out.

    Returns
    -------
    images : list of Path
        The images.
    useless : dict of Path to str
        Inputs without any, and why.
    """
    found: dict[Path, Path] = {}
    useless: dict[Path, str] = {}
    for given in inputs:
        try:
            images = _images_in(given)
        except ImageError as error:
            useless[given] = str(error)
            continue
        except OSError as error:
            useless[given] = f"cannot read {given} ({error.strerror or error}): check the path"
            continue
        if not images:
            useless[given] = f"{given} holds no TIFF, PNG or JPEG file: choose another folder"
        for path in images:
            found.setdefault(path.resolve(), path)
    return list(found.values()), useless


def _images_in(given: Path) -> list[Path]:
    if given.is_dir() and is_zarr(given):
        return images_in_zarr(given)
    if given.is_dir():
        found = sorted(path for path in given.iterdir() if _is_image(path))
        return [image for path in found for image in (images_in_zarr(path) if path.is_dir() else [path])]
    check_regular(given)  # says what is wrong
    return [given]


def _is_image(path: Path) -> bool:
    own = path.name.lower().endswith((".labels.tif", ".levels.tif"))
    if path.is_dir():
        return path.suffix.lower() == ".zarr" and is_zarr(path) and not _is_ours(path)
    return path.suffix.lower() in SUFFIXES and not own and not path.name.startswith(".") and path.is_file()


def _is_ours(path: Path) -> bool:
    """Tell whether a Zarr holds labels that `large` wrote."""
    return path.name.lower().endswith((".labels.ome.zarr", "_labels.ome.zarr", "_labels.zarr"))


def unique_stems(sources: Sequence[Path]) -> list[str]:
    """Return a name for the results of each image that no other image has.

    That is the image's name without its suffix; where two images would have the same name, the suffix and
    then the folder's name are added to both. File systems may not tell upper from lower case.
    """
    choices = [
        [
            name_of(path),
            path.name.replace(".", "_"),
            f"{path.resolve().parent.name}_{path.name}".replace(".", "_"),
        ]
        for path in sources
    ]
    level = [0] * len(choices)
    while True:
        stems = [names[k] for names, k in zip(choices, level, strict=True)]
        counts = Counter(stem.casefold() for stem in stems)
        clashing = [i for i, stem in enumerate(stems) if counts[stem.casefold()] > 1 and level[i] < 2]
        if not clashing:
            break
        for i in clashing:
            level[i] += 1
    taken: set[str] = set()
    for i, stem in enumerate(stems):
        number = 1
        while stems[i].casefold() in taken:
            number += 1
            stems[i] = f"{stem}_{number}"
        taken.add(stems[i].casefold())
    return stems
