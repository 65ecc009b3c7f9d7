"""What COCO calls a segmentation to a mask: polygons and run lengths, checked before any C code sees them."""

from __future__ import annotations

import math
from sys import float_info
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask.geometry.placed import Placed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Runs = tuple[NDArray[np.int64], NDArray[np.int64]]

__all__ = ["MOST_PIXELS", "WHOLE", "MaskDecoder", "MaskError", "checked_shape", "decode_mask", "is_number"]

#: Types of numbers, and of whole numbers.
NUMBERS, WHOLE = (int, float, np.integer, np.floating), (int, np.integer)
#: Pixels of the largest image whose masks are decoded. Corners of polygons are counted in fifths of pixels by
#: pycocotools, in 32 bits without a check: five times this still fits.
MOST_PIXELS = 2**28
#: What one decoder decodes in all, in bytes of masks inside their boxes; and what a pixel along a polygon's
#: outline takes in that measure.
_MOST_IN_ALL, _STEP = 8 * MOST_PIXELS, 20
#: Pixels along the longest outline: for each pycocotools holds over a hundred bytes.
_LONGEST = 2**22
#: Characters of the largest compressed run length: five bits each.
_DIGITS = 7


class MaskError(ValueError):
    """A segmentation cannot be decoded; the message goes on from "an annotation ..."."""


def is_number(value: Any) -> bool:
    """Tell whether a value of a JSON file is a finite number; True is none."""
    return _all_are([value], NUMBERS) and bool(abs(value) <= float_info.max)


def checked_shape(rows: Any, columns: Any) -> tuple[int, int]:
    """Return rows and columns of an image as a file says them.

    Raises
    ------
    MaskError
        If they are no whole numbers, below 1, or more than `MOST_PIXELS` together.
    """
    if not all(is_number(n) and n == int(n) and n >= 1 for n in (rows, columns)):
        raise MaskError("without a height and a width")
    if rows * columns > MOST_PIXELS:
        raise MaskError(f"of more than {MOST_PIXELS:,} pixels")
    return int(rows), int(columns)


def decode_mask(segmentation: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the full-size mask (Y, X) of an annotation's segmentation.

    Raises
    ------
    MaskError
        If it, or the shape, cannot be right.
    """
    shape = checked_shape(*shape)
    return MaskDecoder()(segmentation, shape).whole(shape)


class MaskDecoder:
    """Decodes the segmentations of a file, as many as memory and patience allow."""

    def __init__(self) -> None:
        self._left = _MOST_IN_ALL

    def __call__(self, segmentation: Any, shape: tuple[int, int]) -> Placed:
        """Return the mask of an annotation's segmentation inside its box.

        Parameters
        ----------
        segmentation : list or mapping
            Polygons, or run lengths compressed or not, as COCO has them. Parts of polygons with fewer than
            three points enclose nothing and are left out.
        shape : (int, int)
            Rows and columns of the image, from `checked_shape`.

        Raises
        ------
        MaskError
            If it cannot be decoded, or too much was already.
        """
        if isinstance(segmentation, list | tuple) and segmentation:
            runs = self._runs_of_polygons(segmentation, shape)
        elif isinstance(segmentation, dict) and segmentation:
            runs = _runs_of_counts(_counts(segmentation, shape))
        else:
            raise MaskError("without a segmentation")
        return self._placed(*runs, shape[0])

    def _spend(self, effort: float) -> None:
        if effort > self._left:
            raise MaskError(f"beyond the {_MOST_IN_ALL:,} pixels of masks that are read of one file")
        self._left -= int(effort)

    def _runs_of_polygons(self, parts: Any, shape: tuple[int, int]) -> Runs:
        from pycocotools import mask as coco_mask

        polygons = [one for one in (_polygon(part, shape) for part in parts) if len(one) >= 3]
        if not polygons:
            raise MaskError("with a polygon of fewer than three points")
        length = sum(np.abs(one - np.roll(one, 1, 0)).max(1).sum() for one in polygons)
        if length > _LONGEST:
            raise MaskError(f"with an outline longer than {_LONGEST:,} pixels")
        self._spend(_STEP * length)
        encoded = coco_mask.frPyObjects([one.ravel().tolist() for one in polygons], *shape)
        runs = [_runs_of_counts(_uncompressed(one["counts"])) for one in encoded]
        return runs[0] if len(runs) == 1 else _united(runs)

    def _placed(self, starts: NDArray[np.int64], ends: NDArray[np.int64], rows: int) -> Placed:
        """Return the mask of runs down the columns of an image of so many rows."""
        if not len(starts):
            raise MaskError("without a pixel in the image")
        first, last = starts // rows, (ends - 1) // rows
        x0, x1 = int(first[0]), int(last[-1]) + 1
        y0, y1 = 0, rows
        if (first == last).all():  # else a run goes on from the last row to the first
            y0, y1 = int((starts % rows).min()), int(((ends - 1) % rows).max()) + 1
        height = y1 - y0
        self._spend(height * (x1 - x0))
        begin = (first - x0) * height + starts % rows - y0
        changes = np.zeros(height * (x1 - x0) + 1, np.int8)
        changes[begin] += 1
        changes[begin + ends - starts] -= 1
        inside = changes[:-1].cumsum(dtype=np.int8).view(np.bool_)
        return Placed.at(y0, x0, np.ascontiguousarray(inside.reshape(x1 - x0, height).T))


def _polygon(part: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the points (N, 2) of a polygon."""
    numbers = isinstance(part, list | tuple) and _all_are(part, NUMBERS)
    if not numbers or len(part) % 2:
        raise MaskError("with a polygon that is no list of x and y")
    # As far outside as the image is long: more is a mistake.
    far = min(2 * max(shape), MOST_PIXELS)
    if not all(-far <= value <= far for value in part):
        raise MaskError("with points far outside the image")
    return np.array(part, np.float64).reshape(-1, 2)


def _counts(segmentation: Any, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the run lengths, which add up to the image's pixels."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list | tuple) or tuple(size) != shape:
        raise MaskError("of another size than the image")
    pixels = math.prod(shape)
    if isinstance(counts, list | tuple) and _all_are(counts, WHOLE):
        fit = all(0 <= count <= pixels for count in counts)
        found = np.array(counts if fit else [], np.int64)
    else:
        found = _uncompressed(counts)
    if (found < 0).any() or (found > pixels).any() or found.sum() != pixels:
        raise MaskError("with run lengths that do not add up to the image")
    return found


def _all_are(values: Any, kinds: tuple[type, ...]) -> bool:
    return all(issubclass(one, kinds) and one is not bool for one in set(map(type, values)))


def _uncompressed(counts: Any) -> NDArray[np.int64]:
    """Return the run lengths that COCO's text says: digits of five bits, the lowest first.

    From the fourth number on it is the difference to the number two before.
    """
    text = counts.encode("ascii", "replace") if isinstance(counts, str) else counts
    if not isinstance(text, bytes) or not text:
        raise MaskError("without run lengths")
    digits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    goes_on = (digits & 32) > 0
    begins = np.flatnonzero(np.concatenate([[True], ~goes_on[:-1]]))
    lengths = np.diff(begins, append=len(digits))
    if (digits < 0).any() or (digits > 63).any() or goes_on[-1] or lengths.max() > _DIGITS:
        raise MaskError("with compressed run lengths that are damaged")
    place = np.arange(len(digits)) - np.repeat(begins, lengths)
    numbers = np.add.reduceat((digits & 31) << (5 * place), begins)
    below_zero = (digits[begins + lengths - 1] & 16) > 0
    numbers -= np.where(below_zero, 1 << (5 * lengths), 0)
    for one in (numbers[1::2], numbers[2::2]):
        np.cumsum(one, out=one)
    return numbers


def _runs_of_counts(counts: NDArray[np.int64]) -> Runs:
    """Return where the runs of the mask start and end, down the columns; runs of no pixel are left out."""
    ends = counts.cumsum()
    some = counts[1::2] > 0
    return (ends - counts)[1::2][some], ends[1::2][some]


def _united(runs: list[Runs]) -> Runs:
    """Return the runs of all pixels that are in one or another."""
    starts, ends = (np.sort(np.concatenate(one)) for one in zip(*runs, strict=True))
    # After as many starts as ends nothing is covered, until the next start.
    gap = starts[1:] > ends[:-1]
    edge = np.ones(min(1, len(starts)), bool)
    return starts[np.concatenate([edge, gap])], ends[np.concatenate([gap, edge])]
