"""COCO JSON out and in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.json_file import COCO_LIMIT, read_json
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.geometry.mask_decoding import decode_mask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.painting.segmentation import Segmentation

__all__ = [
    "CocoObjects",
    "from_coco",
    "read_coco_json",
    "to_coco",
]


def to_coco(
    segmentation: Segmentation, image_name: str = "image", category: str = "object"
) -> dict[str, Any]:
    """Describe a segmentation as COCO instance annotations.

    Parameters
    ----------
    segmentation : Segmentation
        What was found. The annotations are the whole masks, which may overlap, not what of them is visible in
        the label image; objects that others cover wholly are included.
    image_name : str
        The image's ``file_name``.
    category : str
        The name of the one category.

    Returns
    -------
    dict
        ``info``, ``licenses``, ``images``, ``categories`` and ``annotations``. An annotation's ``id`` is the
        object's label; ``score`` is its predicted IoU; ``bbox`` is [x, y, width, height] in pixels.
    """
    masks, rows, columns = segmentation.masks, *segmentation.labels.shape
    annotations = []
    for record, identity, (x0, y0, x1, y1) in zip(
        segmentation.records("coco_rle"), masks.ids, masks.boxes, strict=True
    ):
        # Meta's box leaves out the last row and column; COCO's does not.
        box = [int(x0), int(y0), int(x1 - x0 + 1), int(y1 - y0 + 1)]
        own = {"id": int(identity), "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": box}
        annotations.append(record | own | {"score": record["predicted_iou"]})
    return {
        "info": {"description": "napari-sam2-automask", "date_created": segmentation.record.get("time", "")},
        "licenses": [],
        "images": [{"id": 1, "file_name": image_name, "height": int(rows), "width": int(columns)}],
        "categories": [{"id": 1, "name": category, "supercategory": ""}],
        "annotations": annotations,
    }


@dataclass(frozen=True, slots=True, eq=False)
class CocoObjects:
    """The annotated objects of one image.

    Attributes
    ----------
    file_name : str
        The image's file name.
    shape : (int, int)
        Its rows and columns.
    masks : tuple of ndarray of bool, shape (Y, X)
        One mask per object; they may overlap.
    ids : tuple of int
        The annotations' ids.
    categories : tuple of str
        The objects' category names.
    scores : tuple of (float or None)
        Their scores where there are any.
    """

    file_name: str
    shape: tuple[int, int]
    masks: tuple[NDArray[np.bool_], ...]
    ids: tuple[int, ...]
    categories: tuple[str, ...]
    scores: tuple[float | None, ...]

    def labels(self) -> NDArray[np.uint32]:
        """Paint the objects into a label image (Y, X) with their ids, small ones on top."""
        out = np.zeros(self.shape, dtype=np.uint32)
        for k in sorted(range(len(self.masks)), key=lambda k: -int(self.masks[k].sum())):
            out[self.masks[k]] = self.ids[k]
        return out


def from_coco(source: Mapping[str, Any] | str | Path) -> list[CocoObjects]:
    """Read COCO instance annotations: polygons, run lengths compressed or not.

    Parameters
    ----------
    source : mapping, str or Path
        The parsed JSON, or the file.

    Returns
    -------
    list of CocoObjects
        One entry per image, in the file's order; crowd regions are left out.

    Raises
    ------
    ImageError
        If the file cannot be read or is no COCO instance annotation.
    """
    name = str(source) if isinstance(source, str | Path) else "this"
    data = read_coco_json(Path(source)) if isinstance(source, str | Path) else source
    try:
        names = {item["id"]: str(item["name"]) for item in data.get("categories", [])}
        return [_objects_of(image, data["annotations"], names) for image in data["images"]]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ImageError(
            f"{name} holds no COCO instance annotations ({type(error).__name__}: {error}): "
            "give a COCO JSON file with images and annotations"
        ) from error


def read_coco_json(path: Path) -> Any:
    """Return what a COCO JSON file says, or raise an ImageError; see `read_json`."""
    kind = "a COCO JSON file with images and annotations"
    return read_json(path, kind, ImageError, limit=COCO_LIMIT)


def _objects_of(image: Mapping[str, Any], annotations: Any, names: Mapping[int, str]) -> CocoObjects:
    shape = (int(image["height"]), int(image["width"]))
    own = [a for a in annotations if a["image_id"] == image["id"] and not a.get("iscrowd")]
    return CocoObjects(
        file_name=str(image["file_name"]),
        shape=shape,
        masks=tuple(decode_mask(a["segmentation"], shape) for a in own),
        ids=tuple(int(a["id"]) for a in own),
        categories=tuple(names.get(a.get("category_id"), "") for a in own),
        scores=tuple(None if a.get("score") is None else float(a["score"]) for a in own),
    )
