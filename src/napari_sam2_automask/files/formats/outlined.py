"""Objects as formats of other programs take them: masks with numbers, on one plane or several."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam2_automask.errors import FormatError, ImageError
from napari_sam2_automask.files.labels_tiff import size_in_record
from napari_sam2_automask.files.pixel_size import FileScale
from napari_sam2_automask.geometry.mask_decoding import MOST_PIXELS
from napari_sam2_automask.geometry.placed import Placed, places_of
from napari_sam2_automask.geometry.rings import fill, polygons
from napari_sam2_automask.painting.labels import label_dtype, painting_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask.files.pixel_size import PixelSize
    from napari_sam2_automask.geometry.rings import Polygon
    from napari_sam2_automask.painting.segmentation import Segmentation

__all__ = ["Outlined", "Outlines"]

#: What a number of an object may be at most.
_LARGEST_LABEL = 2**63 - 1
#: Objects that a message names.
_NAMED = 5


class Outlined(NamedTuple):
    """An object: its number, its plane (None in an image with one), and its mask."""

    label: int
    plane: int | None
    placed: Placed

    @property
    def polygons(self) -> tuple[Polygon, ...]:
        """Its parts along the edges of the pixels."""
        return polygons(self.placed)


@dataclass(frozen=True, eq=False)
class Outlines:
    """The objects of an image.

    Attributes
    ----------
    name : str
        The image's file name.
    shape : (int, int)
        Its rows and columns.
    objects : tuple of Outlined
        Their masks may overlap.
    planes : int
        How many planes there are; 0 for an image that is no stack.
    axis : {"z", "t"}
        What the planes are.
    painted : (Y, X) or (P, Y, X) int array or None
        The label image that goes with them, where it is more than the objects painted.
    table : DataFrame or None
        What was measured, a row for each label in ``index``.
    layered : bool
        Whether they were kept whole on levels.
    left_out : mapping of str to int
        What a file held besides, for each reason.
    scale : FileScale
        How large the pixels are and where they lie.
    """

    name: str
    shape: tuple[int, int]
    objects: tuple[Outlined, ...]
    planes: int = 0
    axis: str = "z"
    painted: NDArray[np.integer[Any]] | None = None
    table: pd.DataFrame | None = None
    layered: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)
    scale: FileScale = FileScale()

    @classmethod
    def of_segmentation(cls, segmentation: Segmentation, name: str = "image") -> Outlines:
        """Take the whole masks of a segmentation, which may overlap."""
        shape = segmentation.labels.shape
        objects = [Outlined(label, None, one) for label, one in segmentation.masks.placed().items()]
        return cls(
            name,
            (int(shape[0]), int(shape[1])),
            tuple(sorted(objects)),
            painted=segmentation.labels,
            table=segmentation.table,
            layered=segmentation.levels is not None,
            scale=FileScale.of_size(size_in_record(segmentation.record)),
        )

    @classmethod
    def of_labels(
        cls,
        labels: NDArray[np.integer[Any]],
        name: str = "image",
        table: pd.DataFrame | None = None,
        axis: str = "z",
    ) -> Outlines:
        """Take the objects of labels (Y, X) or (P, Y, X); what is not above 0 is background.

        Raises
        ------
        ImageError
            If they have other axes, or are no whole numbers up to 2^63 - 1.
        """
        labels = np.asarray(labels)
        if labels.ndim not in (2, 3) or labels.dtype.kind not in "iu":
            raise ImageError(
                f"labels are whole numbers with two or three axes, not {labels.dtype} of the shape "
                f"{labels.shape}: give such"
            )
        if int(labels.max(initial=0)) > _LARGEST_LABEL:
            raise ImageError(
                f"a label is {labels.max()}, the largest that can be told is 2^63 - 1: number them anew"
            )
        labels = labels if int(labels.min(initial=0)) >= 0 else np.maximum(labels, 0)
        stack = labels.ndim == 3
        objects = [
            Outlined(label, number if stack else None, Placed.at(y.start, x.start, plane[y, x] == label))
            for number, plane in enumerate(labels if stack else labels[None])
            for label, (y, x) in places_of(plane).items()
        ]
        rows, columns = labels.shape[-2:]
        planes = len(labels) if stack else 0
        return cls(name, (rows, columns), tuple(objects), planes, axis, labels, table)

    @property
    def size(self) -> PixelSize | None:
        """Distance between planes, height and width of a pixel, and their unit, if they are known."""
        return self.scale.size

    def labels(self) -> NDArray[np.integer[Any]]:
        """Return the label image, (Y, X) or (P, Y, X); small objects lie on top."""
        if self.painted is not None:
            return self.painted
        largest = max((one.label for one in self.objects), default=0)
        out = np.zeros((max(self.planes, 1), *self.shape), label_dtype(largest))
        numbers = np.array([one.label for one in self.objects], np.int64)
        areas = np.array([one.placed.area for one in self.objects], np.int64)
        for k in painting_order(numbers, areas, "small_on_top").tolist():
            label, plane, placed = self.objects[k]
            out[plane or 0][placed.window][placed.mask] = label
        return out if self.planes else out[0]

    def measured(self) -> dict[int, dict[str, float]]:
        """Return the finite numbers of the table, by label and column."""
        if self.table is None or "index" not in self.table:
            return {}
        numbers = self.table.select_dtypes("number")
        columns = [str(name) for name in numbers if name != "index"]
        rows = numbers[columns].to_numpy(np.float64)
        return {
            int(label): {
                name: value for name, value in zip(columns, row, strict=True) if math.isfinite(value)
            }
            for label, row in zip(numbers["index"], rows.tolist(), strict=True)
        }

    def refuse(self, wrong: Iterable[Outlined], kind: str, what: str, advice: str) -> None:
        """Raise a FormatError that names objects a format cannot hold, if there are any."""
        labels = list(dict.fromkeys(one.label for one in wrong))
        if labels:
            named = ", ".join(map(str, labels[:_NAMED])) + (", ..." if len(labels) > _NAMED else "")
            raise FormatError(f"{self.name}: {kind} cannot hold {what} (objects {named}): {advice}")

    def refuse_stack(self, kind: str) -> None:
        """Raise a FormatError if there are planes."""
        if self.planes:
            raise FormatError(
                f"{self.name}: {kind} cannot hold a stack of {self.planes} planes: save single planes, or "
                "another format"
            )


def _is_near(ring: NDArray[Any]) -> bool:
    """Tell whether an outline may lie in an image; where it has no point, that cannot be known."""
    return bool(np.isfinite(ring).all() and np.abs(ring).max(initial=0) <= MOST_PIXELS)


def read_outlines(
    path: Path,
    found: Sequence[tuple[str, int | None, Sequence[NDArray[Any]]]],
    shape: tuple[int, int] | None,
    left_out: Mapping[str, int],
) -> Outlines:
    """Make objects of the outlines that a file held.

    Parameters
    ----------
    path : Path
        The file.
    found : sequence of (str, int or None, sequence of (N, 2) arrays)
        Name, plane, and outlines and holes as x, y, for each object. Numbers at the end of the names become
        the labels, if each is there once on a plane and all are above 0 and below 2^63; else they are
        numbered from 1.
    shape : (int, int) or None
        Rows and columns of the image; None for as many as the outlines need. Where it is given, a file may
        be without objects.
    left_out : mapping of str to int
        What the file held besides.

    Raises
    ------
    ImageError
        If there are none, or they need too large an image.
    """
    left_out = Counter(left_out)
    far = [k for k, (*_, rings) in enumerate(found) if not all(map(_is_near, rings))]
    if far:
        left_out["far outside of any image"] += len(far)
        found = [one for k, one in enumerate(found) if k not in set(far)]
    if not found and not left_out and shape is not None:
        return Outlines(path.name, shape, ())
    if not found:
        what = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "nothing"
        raise ImageError(f"{path} holds no outlines of objects ({what}): give a file with areas")
    corners = np.concatenate([ring for *_, rings in found for ring in rings])
    if shape is None:
        columns, rows = (max(1, math.ceil(side)) for side in corners.max(axis=0).tolist())
        shape = rows, columns
    planes = 1 + max((-1 if plane is None else plane for _, plane, _ in found))
    if math.prod(shape) * max(planes, 1) > MOST_PIXELS:
        raise ImageError(
            f"{path} needs an image of more than {MOST_PIXELS:,} pixels: give one with fewer objects"
        )
    numbers = [_number(name) for name, *_ in found]
    places = [(plane, number) for (_, plane, _), number in zip(found, numbers, strict=True)]
    if len(set(places)) < len(places) or min(numbers) < 1:
        numbers = list(range(1, len(found) + 1))
    objects, left, outside = [], 8 * MOST_PIXELS, 0
    for number, (_, plane, rings) in zip(numbers, found, strict=True):
        placed = fill(rings, shape)
        if placed is None:
            outside += 1
            continue
        left -= placed.mask.size
        if left < 0:
            raise ImageError(f"{path} has more areas than can be read: give a file with fewer")
        objects.append(Outlined(number, (plane or 0) if planes else None, placed))
    told = {**left_out, **({"without a pixel in the image": outside} if outside else {})}
    return Outlines(path.name, shape, tuple(objects), planes, left_out=told)


def _number(name: str) -> int:
    """Return the number that a name ends in; 0 if it ends in none, or in one that no label can be."""
    digits = name[len(name.rstrip("0123456789")) :].lstrip("0")
    number = int(digits) if 0 < len(digits) < 20 else 0
    return number if number <= _LARGEST_LABEL else 0
