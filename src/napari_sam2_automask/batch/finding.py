"""Which image files to segment, and what to call their results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from napari_sam2_automask.errors import AutomaskError, ImageError
from napari_sam2_automask.files.file_sets import one_of_each_set
from napari_sam2_automask.files.kinds import KINDS, check_file, is_candidate, is_unreadable
from napari_sam2_automask.files.own_results import is_own_result
from napari_sam2_automask.files.series import images_in_zarr, is_zarr, name_of
from napari_sam2_automask.files.vendor import how_to_read
from napari_sam2_automask.files.vendor_formats import suffix_of
from napari_sam2_automask.files.web_address import Address, given_path
from napari_sam2_automask.files.zarr_places import is_zipped_zarr, zip_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["find_images", "skipped_words", "unique_stems"]

_T = TypeVar("_T")


def find_images(
    inputs: Sequence[str | Path],
    left_out: Callable[[Path], object] = bool,
    unreadable: Callable[[Path], object] = bool,
    together: Callable[[Path, list[Path]], object] = lambda one, others: None,
) -> tuple[list[Path], dict[Path, str]]:
    """Return the image files among files and folders, each once, and what of the inputs is of no use.

    Of files that hold one image together, such as those of an OME-TIFF set, the first stands for all.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, taken whatever their names; web addresses of Zarrs; Zarrs, of which every image is taken (all
        fields of a plate); and folders, searched (not their subfolders) in alphabetical order for what may be
        an image by its name; hidden files and results of this package are left out.
    left_out : callable
        Told each result of this package that lies in a folder.
    unreadable : callable
        Told each file of a folder that is a vendor's by its name and that nothing reads that is installed.
    together : callable
        Told each file that stands for others, and those.

    Returns
    -------
    images : list of Path
        The images. Whoever reads them says what is wrong with one, or that a plate's is absent.
    useless : dict of Path to str
        What is none, and why: inputs, files in folders, and images of a Zarr.
    """
    found: dict[Path, Path] = {}
    useless: dict[Path, str] = {}
    for given in map(given_path, inputs):
        images: list[Path] = []
        for entry in _attempt(given, lambda path: _entries(path, left_out, unreadable), useless):
            images += _attempt(entry, _images_in, useless)
        for path in images:
            found.setdefault(path.resolve(), path)
    sets = one_of_each_set(list(found.values()))
    for path, others in sets.items():
        if others:
            together(path, others)
    return list(sets), useless


def _attempt(path: Path, look: Callable[[Path], list[_T]], useless: dict[Path, str]) -> list[_T]:
    """Return what is seen at a path; nothing, with the reason noted, if that fails."""
    try:
        return look(path)
    except AutomaskError as error:
        useless[path] = str(error)
    except OSError as error:
        useless[path] = f"cannot read {path} ({error.strerror or error}): check the path"
    except ValueError as error:  # of a name that no file can have
        useless[path] = f"cannot read {str(path)!r} ({error}): check the path"
    return []


def _entries(
    given: Path, left_out: Callable[[Path], object], unreadable: Callable[[Path], object]
) -> list[Path]:
    """Return what of an input may be an image: the input, or what a folder holds."""
    if isinstance(given, Address):
        return [given]
    if zip_of(given) not in (None, given):
        return [given]
    given.stat()  # says what is wrong where there is nothing
    if not given.is_dir() or is_zarr(given):
        return [given]
    found, skipped = [], []
    for path in sorted(path for path in given.iterdir() if _is_apt(path)):
        if is_unreadable(path):
            skipped.append(path)
        elif not is_candidate(path):
            continue
        elif is_own_result(path):
            left_out(path)
        else:
            found.append(path)
    if not found:
        but = f", and {skipped_words(skipped)}" if skipped else ": choose another folder"
        raise ImageError(f"{given} holds no {KINDS}{but}")
    for path in skipped:
        unreadable(path)
    return found


def skipped_words(paths: Sequence[Path]) -> str:
    """Return how many vendor files were skipped, and what to do to have them read."""
    counts = Counter(suffix_of(path.name) for path in paths)
    told: dict[str, list[str]] = {}
    for suffix, count in sorted(counts.items()):
        told.setdefault(how_to_read(suffix), []).append(f"{count:,} {suffix}")
    return "; ".join(
        f"{' and '.join(kinds)} cannot be read as they are: {how}" for how, kinds in told.items()
    )


def _is_apt(path: Path) -> bool:
    """Tell whether an entry of a folder is what its name says: of folders, Zarrs alone are images."""
    try:
        return not path.is_dir() or path.suffix.lower() == ".zarr"
    except OSError:
        return True  # whoever opens it says what is wrong


def _images_in(entry: Path) -> list[Path]:
    if isinstance(entry, Address):
        return images_in_zarr(entry)
    if zip_of(entry) is None:
        entry.stat()  # of a link that leads nowhere, or in a circle
    check_file(entry)
    return images_in_zarr(entry) if entry.is_dir() or is_zipped_zarr(entry) else [entry]


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
