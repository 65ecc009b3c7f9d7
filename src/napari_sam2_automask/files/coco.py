"""Masks as run lengths, and COCO JSON out and in (through pycocotools)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_sam2_automask.painting.labels import Segmentation
    from napari_sam2_automask.selection.selecting import Masks

__all__ = [
    "CocoObjects",
    "compressed_rle",
    "decode_mask",
    "from_coco",
    "meta_records",
    "to_coco",
    "uncompressed_rle",
]


def uncompressed_rle(y0: int, x0: int, mask: NDArray[np.bool_], shape: tuple[int, int]) -> dict[str, Any]:
    """Return COCO's uncompressed run lengths of a mask inside a larger image.

    Parameters
    ----------
    y0, x0 : int
        Where the mask's first row and column lie in the image.
    mask : ndarray of bool, shape (h, w)
        The mask inside its box.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    dict
        ``size`` ([rows, columns]) and ``counts``: lengths of runs down the columns, background first, as
        Meta's ``mask_to_rle_pytorch`` gives them.
    """
    rows, columns = shape
    # Columns of the mask with background above and below: each change is a run's start or end.
    padded = np.zeros((mask.shape[1], mask.shape[0] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask.T
    column, row = np.nonzero(np.diff(padded, axis=1))
    changes = (column + x0) * rows + row + y0
    # A run that reaches the image's last row goes on when the next column starts with the mask: the end and
    # the start fall on the same pixel and are no change.
    repeated = np.flatnonzero(changes[1:] == changes[:-1])
    changes = np.delete(changes, np.concatenate([repeated, repeated + 1]))
    if changes.size and changes[-1] == rows * columns:
        changes = changes[:-1]
    counts = np.diff(changes, prepend=0, append=rows * columns)
    return {"size": [int(rows), int(columns)], "counts": counts.tolist()}


def compressed_rle(y0: int, x0: int, mask: NDArray[np.bool_], shape: tuple[int, int]) -> dict[str, Any]:
    """Return COCO's compressed run lengths, with the counts as text; see `uncompressed_rle`."""
    from pycocotools import mask as coco_mask

    rle = coco_mask.frPyObjects(uncompressed_rle(y0, x0, mask, shape), *shape)
    return {"size": [int(size) for size in rle["size"]], "counts": rle["counts"].decode("ascii")}


def meta_records(masks: Masks, output_mode: str) -> Iterator[dict[str, Any]]:
    """Yield whole masks as Meta's generator returns them; see `Segmentation.records`."""
    shape = (int(masks.shape[0]), int(masks.shape[1]))
    for k, (box, array) in enumerate(zip(masks.boxes, masks.arrays, strict=True)):
        x0, y0, x1, y1 = (int(value) for value in box)
        segmentation: Any
        if output_mode == "binary_mask":
            segmentation = np.zeros(shape, dtype=bool)
            segmentation[y0 : y1 + 1, x0 : x1 + 1] = array
        elif output_mode == "uncompressed_rle":
            segmentation = uncompressed_rle(y0, x0, array, shape)
        else:
            segmentation = compressed_rle(y0, x0, array, shape)
        crop_x0, crop_y0, crop_x1, crop_y1 = (int(value) for value in masks.crop_boxes[k])
        yield {
            "segmentation": segmentation,
            "area": int(masks.areas[k]),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "predicted_iou": float(masks.predicted_iou[k]),
            "point_coords": [[float(value) for value in masks.points[k]]],
            "stability_score": float(masks.stability_score[k]),
            "crop_box": [crop_x0, crop_y0, crop_x1 - crop_x0, crop_y1 - crop_y0],
        }


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
    try:
        data = json.loads(Path(source).read_bytes()) if isinstance(source, str | Path) else source
        names = {item["id"]: str(item["name"]) for item in data.get("categories", [])}
        return [_objects_of(image, data["annotations"], names) for image in data["images"]]
    except OSError as error:
        raise ImageError(
            f"cannot read {name} ({error.strerror or error}): check path and permissions"
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ImageError(
            f"{name} holds no COCO instance annotations ({type(error).__name__}: {error}): "
            "give a COCO JSON file with images and annotations"
        ) from error


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


def decode_mask(segmentation: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the full-size mask (Y, X) of an annotation's segmentation."""
    from pycocotools import mask as coco_mask

    if isinstance(segmentation, list):
        rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, *shape))
    else:
        if tuple(segmentation["size"]) != shape:
            raise ValueError(f"a mask of size {segmentation['size']} in an image of {shape}")
        counts = segmentation["counts"]
        if isinstance(counts, list) and (min(counts, default=0) < 0 or sum(counts) != shape[0] * shape[1]):
            raise ValueError(f"run lengths that do not add up to the image's {shape[0] * shape[1]} pixels")
        rle = coco_mask.frPyObjects(segmentation, *shape) if isinstance(counts, list) else segmentation
    return np.asarray(coco_mask.decode(rle), dtype=bool)
