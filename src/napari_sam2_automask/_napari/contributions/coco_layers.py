"""COCO JSON to Labels layers and back: the functions behind File > Open and File > Save."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_warning

from napari_sam2_automask._napari.layers.features import numbered
from napari_sam2_automask._napari.live import whole_masks
from napari_sam2_automask._napari.live.current_table import current_table
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.json_file import json_bytes
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.coco import CocoFile, CocoObjects, read_coco_json
from napari_sam2_automask.geometry.placed import Placed, places_of
from napari_sam2_automask.geometry.run_lengths import compressed_rle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    LayerData = tuple[Any, dict[str, Any], str]

__all__ = ["coco_of", "objects_of", "read_coco", "write_coco"]

#: Where a layer's metadata holds the annotations that it was read from.
COCO_KEY = "sam2_automask_coco"
#: Pixels of the images of one file that become layers, of four bytes each.
MOST_SHOWN = 2**30
#: Columns of a table that are numbers COCO has a place for: its key, and the column.
SCORES = {"score": "predicted_iou", "predicted_iou": "predicted_iou", "stability_score": "stability_score"}


def write_coco(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer as COCO JSON.

    Parameters
    ----------
    path : str
        The file.
    data : (..., Y, X) int array
        The labels.
    meta : dict
        The layer's other attributes.

    Returns
    -------
    list of str
        The file written.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_one(Path(path), json_bytes(coco_of(np.asarray(data), meta), indent=None))
    return [path]


def read_coco(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return what reads COCO JSON, or None for JSON of another kind."""
    paths = [path] if isinstance(path, str) else path
    return _read if paths and all(_is_coco(Path(one)) for one in paths) else None


def coco_of(data: NDArray[Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a Labels layer as COCO instance annotations.

    Whole masks are written where they are known (of the result that follows the sliders, and of layers that
    were read from COCO JSON) and nobody edited the object; what is visible of it elsewhere. A stack gives one
    image per plane, in the order of its axes, and the annotations' ids then count through.
    """
    planes = data.reshape(-1, *data.shape[-2:])
    metadata = meta.get("metadata", {})
    masks: whole_masks.WholeMasks | None = whole_masks.masks_of(metadata)
    if masks is None and data.ndim == 2 and COCO_KEY in metadata:
        ((objects, _),) = CocoFile.of(metadata[COCO_KEY], str(meta.get("name"))).images
        masks = _Annotated(objects)
    table = current_table(data, meta)
    scores = table.set_index("index") if table is not None and "index" in table else None
    name = str(meta.get("name", "labels"))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, plane in enumerate(planes, 1):
        own = name if len(planes) == 1 else f"{name} plane {number - 1}"
        images.append({"id": number, "file_name": own, "height": plane.shape[0], "width": plane.shape[1]})
        for label, placed in objects_of(plane, masks):
            identity = label if len(planes) == 1 else len(annotations) + 1
            annotation = _annotation(identity, number, placed, plane.shape)
            if len(planes) > 1:
                annotation["label"] = label
            if scores is not None and label in scores.index:
                row = scores.loc[[label]].iloc[0]
                annotation |= {
                    key: float(row[column])
                    for key, column in SCORES.items()
                    if column in row and np.isfinite(row[column])
                }
            annotations.append(annotation)
    record = metadata.get(RECORD_KEY, {})
    return {
        "info": {"description": "napari-sam2-automask", "date_created": record.get("time", "")},
        "licenses": [],
        "images": images,
        "categories": [{"id": 1, "name": "object", "supercategory": ""}],
        "annotations": annotations,
    }


def objects_of(plane: NDArray[Any], masks: whole_masks.WholeMasks | None) -> Iterator[tuple[int, Placed]]:
    """Yield label and mask of every object: whole if it is known and was not edited, else its pixels."""
    whole: dict[int, Placed] = {}
    if masks is not None:
        painted = masks.painted()
        differs = plane != painted if painted.shape == plane.shape else np.ones(plane.shape, bool)
        edited = set(np.union1d(plane[differs], painted[differs]).tolist()) if differs.any() else set()
        whole = {label: placed for label, placed in masks.whole().items() if label not in edited}
    visible = places_of(plane)
    for label in sorted({*visible, *whole}):
        if label in whole:
            yield label, whole[label]
        else:
            rows, columns = visible[label]
            yield label, Placed.at(rows.start, columns.start, plane[rows, columns] == label)


def _annotation(identity: int, image: int, placed: Placed, shape: tuple[int, ...]) -> dict[str, Any]:
    y0, x0, y1, x1 = placed.extent
    return {
        "id": int(identity),
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "segmentation": compressed_rle(y0, x0, placed.mask, (int(shape[0]), int(shape[1]))),
        "area": int(placed.area),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
    }


@dataclass(frozen=True, eq=False)
class _Annotated:
    """The annotated objects of one image as whole masks of a layer."""

    objects: CocoObjects

    def whole(self) -> Mapping[int, Placed]:
        """Return the masks by label."""
        return dict(zip(self.objects.numbers, self.objects.placed, strict=True))

    def measured(self, labels: NDArray[Any]) -> None:
        """Return None: the table of a file is the layer's."""

    def painted(self) -> NDArray[Any]:
        """Return the labels (Y, X) uint32, small objects on top."""
        return self.objects.labels()


def _table(objects: CocoObjects) -> pd.DataFrame:
    """Return the table of objects: one row for each."""
    import pandas as pd

    table: dict[str, Any] = {"index": np.array(objects.numbers, np.int64)}
    if objects.ids != objects.numbers:
        whole = all(type(one) is int and abs(one) < 2**63 for one in objects.ids)
        table["id"] = np.array(objects.ids if whole else [str(one) for one in objects.ids])
    if any(objects.categories):
        table["category"] = np.array(objects.categories)
    if any(score is not None for score in objects.scores):
        scores = [np.nan if score is None else score for score in objects.scores]
        table["predicted_iou"] = np.array(scores, np.float64)
    table["mask_area"] = np.array([placed.area for placed in objects.placed], np.int64)
    return pd.DataFrame(table)


def _is_coco(path: Path) -> bool:
    """Tell whether a file holds JSON with images and annotations."""
    if path.suffix.lower() != ".json":
        return False
    try:
        content = read_coco_json(path)
    except ImageError:
        return False
    return isinstance(content, dict) and {"images", "annotations"} <= content.keys()


def _read(path: str | list[str]) -> list[LayerData]:
    """Return one Labels layer per image of the files."""
    return [layer for one in ([path] if isinstance(path, str) else path) for layer in _layers(Path(one))]


def _layers(path: Path) -> Iterator[LayerData]:
    found = CocoFile.of(read_coco_json(path), path.name)
    if found.message:
        show_warning(found.message)
    left = MOST_SHOWN
    for number, (objects, part) in enumerate(found.images):
        left -= math.prod(objects.shape)
        if left < 0:
            rest = len(found.images) - number
            show_warning(
                f"{path.name}: left out the last {rest:,} images, beyond {MOST_SHOWN:,} pixels in all"
            )
            return
        name = f"{Path(objects.file_name).stem} - {path.stem}"
        attributes = {
            "name": name,
            "features": numbered(_table(objects)),
            "metadata": {COCO_KEY: part},
        }
        yield objects.labels(), attributes, "labels"
