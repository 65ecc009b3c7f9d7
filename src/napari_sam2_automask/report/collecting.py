"""The results that lie in a folder: records, tables, and pictures of the labels over their images."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.regular import check_regular
from napari_sam2_automask.errors import AutomaskError, SettingsError
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.opening import open_file
from napari_sam2_automask.files.reading import read_picked
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.record.record import Record

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.image.picture import LoadedImage

__all__ = ["Result", "picture_of", "results_in"]

_RECORD = ".record.json"
#: Endings of tables, of a picture or plane and of the objects of a stack.
_TABLES = (".table.csv", ".objects.csv")
#: Bytes of the largest table that is read, and pixels of the largest label image.
_LARGEST, _MOST_PIXELS = 1 << 29, 1 << 30
#: Pixels of the longer side of a picture.
_SIDE = 420
# From the palette of Okabe and Ito, which people with any colour vision can tell apart.
_OUTLINE = (240, 228, 66)


@dataclass(frozen=True, eq=False)
class Result:
    """A result.

    Attributes
    ----------
    stem : str
        What its files are called.
    folder : Path
        Where they are.
    record : Record
        How it was made.
    table : DataFrame
        Its objects.
    """

    stem: str
    folder: Path
    record: Record
    table: pd.DataFrame


def results_in(folder: Path) -> tuple[list[Result], dict[str, str]]:
    """Return the results of a folder by their names, and what could not be read and why.

    Raises
    ------
    SettingsError
        If there is no such folder, or no result in it.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder: give one that `segment` wrote to")
    found: list[Result] = []
    wrong: dict[str, str] = {}
    for path in sorted(folder.glob(f"*{_RECORD}")):
        stem = path.name.removesuffix(_RECORD)
        tables = [folder / f"{stem}{ending}" for ending in _TABLES]
        table = next((one for one in tables if one.exists()), None)
        try:
            if table is None:
                raise SettingsError(f"there is no {tables[0].name}: run it again")
            found.append(Result(stem, folder, Record.read(path), _table(table)))
        except (AutomaskError, OSError, ValueError) as error:
            wrong[stem] = " ".join(str(error).split())
    if not found:
        told = f" ({next(iter(wrong.values()))})" if wrong else ""
        raise SettingsError(f"{folder} holds no results{told}: give a folder that `segment` wrote to")
    return found, wrong


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    if check_regular(path).st_size > _LARGEST:
        raise SettingsError(f"{path.name} has more than {_LARGEST:,} bytes: make a page of fewer objects")
    return pd.read_csv(path)


def picture_of(result: Result) -> tuple[bytes, str]:
    """Return a PNG of the outlines over the image, empty if there is none, and what is to be said of it."""
    from PIL import Image

    try:
        labels = _labels(result)
    except (AutomaskError, OSError, ValueError, MemoryError) as error:
        return b"", f"no picture: {' '.join(str(error).split())}"
    middle = len(labels) // 2
    note = f"plane {middle} of {len(labels)}" if len(labels) > 1 else ""
    step = max(1, -(-max(labels.shape[1:]) // _SIDE))
    small = labels[middle, ::step, ::step]
    try:
        view = to_model_view(_image(result, middle).array[::step, ::step])
        if view.shape[:2] != small.shape:
            raise SettingsError("the image has another shape now")
    except (AutomaskError, OSError, ValueError, MemoryError) as error:
        view = np.zeros((*small.shape, 3), np.uint8)
        note = "; ".join(filter(None, (note, f"without the image: {' '.join(str(error).split())}")))
    view = view.copy()
    view[_edges(small)] = _OUTLINE
    file = io.BytesIO()
    Image.fromarray(view).save(file, "PNG", optimize=True)
    return file.getvalue(), note


def _labels(result: Result) -> NDArray[Any]:
    """Return the labels, (P, Y, X)."""
    array, _ = open_file(result.folder / f"{result.stem}.labels.tif")
    if array.ndim not in (2, 3) or array.dtype.kind not in "iu" or np.prod(array.shape) > _MOST_PIXELS:
        raise SettingsError(f"{result.stem}.labels.tif holds no labels that can be shown")
    labels: NDArray[Any] = np.asarray(array[...])
    return labels if labels.ndim == 3 else labels[None]


def _image(result: Result, plane: int) -> LoadedImage:
    """Return the picture that was segmented, or a plane of the stack."""
    record = result.record.each_plane[plane] if plane < len(result.record.each_plane) else result.record
    file = record.file or result.record.file
    if file is None:
        raise SettingsError("its record names no file")
    places = [Path(file.path)] if file.path else []
    places += [result.folder / file.name, result.folder.parent / file.name]
    path = next((one for one in places if one.exists()), None)
    if path is None:
        raise SettingsError(f"{file.name} is not where it was")
    if file.sha256 is not None and file_hash(path) != file.sha256:
        raise SettingsError(f"{file.name} has changed since")
    pick = record.pick
    return read_picked(path, Pick(record.plane) if pick is None or pick.is_plain else pick)


def _edges(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the outermost pixels of each object."""
    padded = np.pad(labels, 1, mode="edge")
    middle = padded[1:-1, 1:-1]
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge: NDArray[np.bool_] = np.any([one != middle for one in around], axis=0) & (middle > 0)
    return edge
