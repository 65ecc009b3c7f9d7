"""COCO JSON out and in."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.disk.json_file import COCO_LIMIT, read_json
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.geometry.mask_decoding import (
    WHOLE,
    MaskDecoder,
    MaskError,
    checked_shape,
    is_number,
)
from napari_sam2_automask.painting.labels import painting_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.painting.segmentation import Segmentation

__all__ = [
    "CocoFile",
    "CocoObjects",
    "from_coco",
    "read_coco_json",
    "to_coco",
]

#: What is asked for in place of a file that does not hold it, and what is left out by design.
_NO_CROWD = (None, 0, "0", "", "false")
_KIND, _CROWDS = "a COCO JSON file with images and annotations", "crowd regions"

# What only a model tells of an annotation.
_OF_MODEL = ("predicted_iou", "stability_score", "point_coords", "score")


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
        object's label; ``score`` is its predicted IoU; ``bbox`` is [x, y, width, height] in pixels. An object
        that a person made has no score and no point.
    """
    masks, rows, columns = segmentation.masks, *segmentation.labels.shape
    annotations = []
    for record, identity, (x0, y0, x1, y1) in zip(
        segmentation.records("coco_rle"), masks.ids, masks.boxes, strict=True
    ):
        # Meta's box leaves out the last row and column; COCO's does not.
        box = [int(x0), int(y0), int(x1 - x0 + 1), int(y1 - y0 + 1)]
        own = {"id": int(identity), "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": box}
        whole = record | own | {"score": record["predicted_iou"]}
        annotations.append({name: whole[name] for name in whole if not _unknown(name, whole[name])})
    return {
        "info": {"description": "napari-sam2-automask", "date_created": segmentation.record.get("time", "")},
        "licenses": [],
        "images": [{"id": 1, "file_name": image_name, "height": int(rows), "width": int(columns)}],
        "categories": [{"id": 1, "name": category, "supercategory": ""}],
        "annotations": annotations,
    }


def _unknown(name: str, value: Any) -> bool:
    """Tell whether a number that a model would have given is not there."""
    if name == "point_coords":
        (value,) = value
    return name in _OF_MODEL and bool(np.isnan(value).any())


@dataclass(frozen=True, eq=False)
class CocoObjects:
    """The annotated objects of one image.

    Attributes
    ----------
    file_name : str
        The image's file name.
    shape : (int, int)
        Its rows and columns.
    placed : tuple of Placed
        The masks inside their boxes; they may overlap.
    ids : tuple
        The annotations' ids as the file has them: whole numbers as a rule, but other programs write any, also
        none or one several times.
    categories : tuple of str
        The objects' category names.
    scores : tuple of (float or None)
        Their scores where there are any.
    left_out : mapping of str to int
        How many of the image's annotations are not among the objects, for each reason.
    """

    file_name: str
    shape: tuple[int, int]
    placed: tuple[Placed, ...]
    ids: tuple[Any, ...]
    categories: tuple[str, ...]
    scores: tuple[float | None, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def masks(self) -> tuple[NDArray[np.bool_], ...]:
        """One mask (Y, X) per object, made when first asked for."""
        return tuple(one.whole(self.shape) for one in self.placed)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The objects' labels: their ids where all of them can be, else 1 to as many as there are."""
        whole = all(isinstance(one, WHOLE) and is_number(one) and 1 <= one < 2**31 for one in self.ids)
        if whole and len(set(self.ids)) == len(self.ids):
            return tuple(int(one) for one in self.ids)
        return tuple(range(1, len(self.ids) + 1))

    def labels(self) -> NDArray[np.uint32]:
        """Paint the objects into a label image (Y, X) with their `numbers`, small ones on top."""
        out = np.zeros(self.shape, dtype=np.uint32)
        areas = np.array([one.area for one in self.placed], np.int64)
        for k in painting_order(np.array(self.numbers, np.int64), areas, "small_on_top").tolist():
            out[self.placed[k].window][self.placed[k].mask] = self.numbers[k]
        return out


def from_coco(source: Mapping[str, Any] | str | Path) -> list[CocoObjects]:
    """Read COCO instance annotations: polygons, run lengths compressed or not.

    Images and annotations that cannot be used are left out, and one `UserWarning` says how many and why; so
    are crowd regions, without one.

    Parameters
    ----------
    source : mapping, str or Path
        The parsed JSON, or the file.

    Returns
    -------
    list of CocoObjects
        One entry per image, in the file's order.

    Raises
    ------
    ImageError
        If the file cannot be read, is no COCO instance annotation, or nothing in it can be used.
    """
    name = str(source) if isinstance(source, str | Path) else "this"
    data = read_coco_json(Path(source)) if isinstance(source, str | Path) else source
    found = CocoFile.of(data, name)
    if found.message:
        warnings.warn(found.message, stacklevel=2)
    return [objects for objects, _ in found.images]


def read_coco_json(path: Path) -> Any:
    """Return what a COCO JSON file says, or raise an ImageError; see `read_json`."""
    return read_json(path, _KIND, ImageError, limit=COCO_LIMIT)


@dataclass(frozen=True, eq=False)
class CocoFile:
    """What a COCO JSON file holds that can be used.

    Attributes
    ----------
    images : sequence of (CocoObjects, mapping)
        The objects of each image, and what says them: COCO with that image alone.
    message : str
        One line that says what was left out; empty if nothing was but crowd regions.
    """

    images: Sequence[tuple[CocoObjects, Mapping[str, Any]]]
    message: str

    @classmethod
    def of(cls, data: Any, name: str) -> CocoFile:
        """Read parsed JSON; `name` is what messages call it. Raises ImageError, see `from_coco`."""
        images, annotations = (_entries(data, key, name) for key in ("images", "annotations"))
        left_out: Counter[str] = Counter()
        own: dict[str, list[Mapping[str, Any]]] = {}
        usable = []
        for image in images:
            problem = _problem_of(image, own)
            if problem:
                left_out[f"images {problem}"] += 1
            else:
                own[_key(image["id"])] = []
                usable.append(image)
        for annotation in annotations:
            of_image = own.get(_key(annotation.get("image_id")))
            if of_image is None:
                left_out["annotations of an image that is not there"] += 1
            else:
                of_image.append(annotation)
        names, decoder = _names(data.get("categories")), MaskDecoder()
        found = []
        for image in usable:
            objects, kept = _objects_of(image, own[_key(image["id"])], names, decoder)
            found.append((objects, {**data, "images": [image], "annotations": kept}))
            left_out.update(objects.left_out)
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in left_out.items())
        if left_out.keys() <= {_CROWDS}:
            return cls(found, "")
        if not found or (annotations and not any(objects.ids for objects, _ in found)):
            raise ImageError(
                f"{name} holds no COCO annotations that can be used, but {reasons}: give {_KIND}"
            )
        return cls(found, f"{name}: left out {reasons}")


def _entries(data: Any, key: str, name: str) -> list[Mapping[str, Any]]:
    """Return the images or the annotations."""
    entries = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(entries, list | tuple):
        raise ImageError(f"{name} holds no COCO instance annotations (it has no list of {key}): give {_KIND}")
    return [one if isinstance(one, Mapping) else {} for one in entries]


def _problem_of(image: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Say why an image cannot be used; empty if it can."""
    key = _key(image.get("id"))
    if not key or key in known:
        return "with the id of another" if key else "without an id"
    try:
        checked_shape(image.get("height"), image.get("width"))
    except MaskError as error:
        return str(error)
    return ""


def _objects_of(
    image: Mapping[str, Any],
    annotations: list[Mapping[str, Any]],
    names: Mapping[str, str],
    decoder: MaskDecoder,
) -> tuple[CocoObjects, list[Mapping[str, Any]]]:
    """Return the objects of an image, and the annotations that they are."""
    shape = checked_shape(image["height"], image["width"])
    placed: list[Placed] = []
    kept: list[Mapping[str, Any]] = []
    left_out: Counter[str] = Counter()
    for annotation in annotations:
        try:
            if annotation.get("iscrowd") not in _NO_CROWD:
                left_out[_CROWDS] += 1
                continue
            placed.append(decoder(annotation.get("segmentation"), shape))
            kept.append(annotation)
        except MaskError as error:
            left_out[f"annotations {error}"] += 1
    scores: list[Any] = [one.get("score") for one in kept]
    objects = CocoObjects(
        file_name=str(image.get("file_name") or f"image {image['id']}"),
        shape=shape,
        placed=tuple(placed),
        ids=tuple(one.get("id") for one in kept),
        categories=tuple(names.get(_key(one.get("category_id")), "") for one in kept),
        scores=tuple(float(one) if is_number(one) else None for one in scores),
        left_out=dict(left_out),
    )
    return objects, kept


def _names(categories: Any) -> dict[str, str]:
    """Return the categories' names by the text of their ids, which stand for names where there are none."""
    known = [one for one in categories if isinstance(one, Mapping)] if isinstance(categories, list) else []
    return {_key(one.get("id")): str(one.get("name") or _key(one.get("id"))) for one in known}


def _key(identity: Any) -> str:
    """Return the text of an id, which some programs write as a number here and as text there; or nothing."""
    if is_number(identity) and identity == int(identity):
        return str(int(identity))
    return identity if isinstance(identity, str) else ""
