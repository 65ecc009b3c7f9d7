"""Labels that were saved, back as Labels layers with their table and record: behind File > Open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask._napari.contributions.layer_scale import names_of_axes, place_in_layer
from napari_sam2_automask._napari.layers.features import numbered
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.disk.json_file import read_json
from napari_sam2_automask.errors import AutomaskError, ImageError
from napari_sam2_automask.files.opening import open_file
from napari_sam2_automask.files.pixel_size import scale_in_file
from napari_sam2_automask.image.view import image_hash
from napari_sam2_automask.record.record import RECORD_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["read_labels", "read_tiff"]

# How the command line calls labels; their table and record are called alike.
_ENDINGS = (".labels.tif", ".levels.tif")
_TABLES = (".table.csv", ".objects.csv", ".csv")


class _Beside(NamedTuple):
    """What lies beside labels: the record of their run, and the path of their table if there is one."""

    record: dict[str, Any]
    table: Path | None


def read_tiff(path: str | list[str]) -> Callable[..., Any] | None:
    """Return what reads labels with their record, or, for any other TIFF, napari's own reader.

    napari asks which of two readers to take for a TIFF, and remembers the answer for all of them: with this
    one every TIFF opens.
    """
    if (own := read_labels(path)) is not None:
        return own
    from napari_builtins.io import napari_get_reader

    reader: Callable[..., Any] | None = napari_get_reader(path)
    return reader


def read_labels(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return what reads labels that were saved with their record, or None for any other TIFF."""
    paths = [path] if isinstance(path, str) else path
    return _read if paths and all(_beside(Path(one)) for one in paths) else None


def _beside(path: Path) -> _Beside | None:
    """Return what lies beside labels; None of a TIFF that is none."""
    ending = next((one for one in _ENDINGS if path.name.lower().endswith(one)), path.suffix)
    stem = path.name[: len(path.name) - len(ending)]
    record = path.with_name(f"{stem}.record.json")
    if not record.is_file():
        return None
    try:
        content = read_json(record, "a record of a run", ImageError)
        own = isinstance(content, dict) and content.get("format", RECORD_FORMAT) == RECORD_FORMAT
        if not own or "objects" not in content:
            return None
        tables = (path.with_name(stem + one) for one in _TABLES)
        table = next((one for one in tables if _is_table(one)), None)
        # The image itself may lie there as well.
        ours = ending in _ENDINGS or _is_saved(path, stem, content, table)
    except (AutomaskError, OSError, ValueError):
        return None
    return _Beside(content, table) if ours else None


def _is_table(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline(200).split(",")[0].strip() == "index"


def _is_saved(path: Path, stem: str, record: dict[str, Any], table: Path | None) -> bool:
    """Tell whether a TIFF of any name holds the labels of the record beside it, edited or not."""
    array, _ = open_file(path)
    if array.dtype.kind not in "iu":
        return False
    edited = table is not None and table.name == f"{stem}.csv"
    if edited and not path.with_name(f"{stem}{_ENDINGS[0]}").exists():
        return True
    return bool(record.get("labels_sha256") == image_hash(np.asarray(array[...])))


def _read(path: str | list[str]) -> list[LayerData]:
    """Return one Labels layer per file."""
    return [_layer(Path(one)) for one in ([path] if isinstance(path, str) else path)]


def _layer(path: Path) -> LayerData:
    import pandas as pd

    beside = _beside(path)
    array, axes = open_file(path)
    labels = np.array(array[...])
    attributes: dict[str, Any] = {
        "name": path.name.removesuffix(path.suffix).removesuffix(".labels"),
        "metadata": {RECORD_KEY: beside.record if beside else {}},
    }
    if beside and beside.table:
        attributes["features"] = numbered(pd.read_csv(beside.table))
    place = place_in_layer(scale_in_file(path), axes)
    if place and len(axes) == labels.ndim:
        attributes |= {**place, "axis_labels": names_of_axes(axes)}
    return labels, attributes, "labels"
