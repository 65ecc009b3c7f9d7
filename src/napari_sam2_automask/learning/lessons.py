"""From a person's images and labels to what is learned from, and what is held back to judge by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi

from napari_sam2_automask.errors import ImageError, LearningError
from napari_sam2_automask.evaluation.label_image import label_image, ranked
from napari_sam2_automask.image.view import image_hash, is_rgb, to_model_view
from napari_sam2_automask.learning.windows.training_image import TrainingImage
from napari_sam2_automask.settings.numbers import COUNT, Bound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["OWN", "Lesson", "hash_of_lessons", "lessons_of"]

OWN = "own"
"""Kind of the images that are learned from."""

_HELD_BACK = 0.2
"""Share of the objects of an image that is held back, of `_MOST_HELD` images at most."""
_MOST_HELD = 4
_MOST_OBJECTS = 32_000
_WEIGHT = Bound(float, 0.0, 100.0)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """An image with its labels.

    Attributes
    ----------
    whole : TrainingImage
        All of it, its objects numbered from 1.
    training : TrainingImage
        The part that is learned from: all, or what lies on one side of a cut.
    held : (Y, X) bool array or None
        The part that is held back; None where that is nothing.
    held_objects : tuple of int
        The objects that lie there for the most part.
    view : (Y, X, 3) uint8 array
        What the model sees of the image.
    """

    whole: TrainingImage
    training: TrainingImage
    held: NDArray[np.bool_] | None
    held_objects: tuple[int, ...]
    view: NDArray[np.uint8]

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return int(self.whole.objects.max())

    @property
    def is_complete(self) -> bool:
        """Whether all that is held back is labelled."""
        complete = self.whole.complete
        return self.held is not None and (complete is None or bool(complete[self.held].all()))


def lessons_of(
    images: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    complete: Sequence[ArrayLike | bool],
    weights: Sequence[Mapping[int, float]],
    names: Sequence[str],
    rgb: bool | None = None,
) -> list[Lesson]:
    """Check images and labels, and divide them into what is learned from and what is held back.

    Parameters
    ----------
    images, labels, complete, weights, names, rgb
        As for `learn`, one of each for every image.

    Raises
    ------
    LearningError
        If nothing can be learned from them; the message names the image.
    ImageError
        If an image or label image cannot be used.
    """
    counts = {"labels": labels, "complete": complete, "weights": weights, "names": names}
    for what, given in counts.items():
        if len(given) != len(images):
            raise LearningError(
                f"there are {len(images)} images and {len(given)} {what}: give one of each for every image"
            )
    whole = [_whole(*each, rgb) for each in zip(images, labels, complete, weights, names, strict=True)]
    total = sum(int(one.objects.max()) for one, _ in whole)
    if total < 2:
        what = "no object is labelled" if total == 0 else "one object is labelled"
        raise LearningError(
            f"{what}, and learning takes at least two, of which one is held back: label more objects "
            "(ten and more are better)"
        )
    kinds = {one.image.ndim: name for (one, _), name in zip(whole, names, strict=True)}
    if len(kinds) > 1:
        raise LearningError(
            f"some images are gray ({kinds[2]}) and some have colours ({kinds[3]}): a model learns from "
            "images of one kind"
        )
    order = sorted(range(len(whole)), key=lambda i: -int(whole[i][0].objects.max()))
    held = set(order[:_MOST_HELD])
    lessons = [
        _divided(one, view, i in held and int(one.objects.max()) > 1) for i, (one, view) in enumerate(whole)
    ]
    if not any(lesson.held_objects for lesson in lessons):
        # One object in each image: one whole image is held back.
        first = lessons[order[-1]]
        area = np.ones(first.whole.objects.shape, bool)
        ids = tuple(range(1, first.objects + 1))
        lessons[order[-1]] = Lesson(first.whole, first.training, area, ids, first.view)
    return lessons


def hash_of_lessons(lessons: Sequence[Lesson]) -> str:
    """Return the SHA-256 of all that is learned from: views, labels, regions and weights."""
    digest = hashlib.sha256()
    for lesson in lessons:
        one = lesson.whole
        complete = np.ones(one.objects.shape, bool) if one.complete is None else one.complete
        for array in (lesson.view, one.objects, complete):
            digest.update(image_hash(array).encode())
        digest.update(repr(sorted(one.weights.items())).encode())
    return digest.hexdigest()


def _whole(
    image: ArrayLike,
    labels: ArrayLike,
    complete: ArrayLike | bool,
    weights: Mapping[int, float],
    name: str,
    rgb: bool | None,
) -> tuple[TrainingImage, NDArray[np.uint8]]:
    try:
        view = to_model_view(image, rgb=rgb)
        gray = not is_rgb(np.asarray(image), rgb) or bool((view == view[..., :1]).all())
        flat = label_image(_one_level(labels, name), "its label image")
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    if flat.shape != view.shape[:2]:
        raise LearningError(
            f"{name}: the labels have shape {_times(flat.shape)}, the image {_times(view.shape[:2])}: give "
            "labels of that image"
        )
    found, places = ranked(np.maximum(flat, 0))
    ids = found[found > 0]
    if len(ids) > _MOST_OBJECTS:
        raise LearningError(f"{name}: {len(ids):,} objects are labelled, and {_MOST_OBJECTS:,} are the limit")
    number = np.where(found > 0, np.searchsorted(ids, found) + 1, 0).astype(np.int32)
    own: dict[int, float] = {}
    for label, weight in weights.items():
        at = int(np.searchsorted(ids, COUNT.check(label, "a label in weights")))
        if at >= len(ids) or ids[at] != label:
            raise LearningError(f"{name}: weights name label {label}, which is not in its labels")
        own[at + 1] = float(_WEIGHT.check(weight, "a weight"))
    pixels = np.ascontiguousarray(view[..., 0]) if gray else view
    area = _region(complete, flat.shape, name)
    whole = TrainingImage(
        pixels, [number[places]], OWN, 1.0, name, name, complete=area, weights=own, alike=True
    )
    return whole, view


def _one_level(labels: ArrayLike, name: str) -> ArrayLike:
    """Return labels of one level: those of several are joined where no two objects overlap."""
    array = np.asarray(labels)
    if array.ndim != 3:
        return array
    array = np.stack([label_image(level, "its label image") for level in array])
    over = (array > 0).sum(0) > 1
    if over.any():
        y, x = (int(v[0]) for v in np.nonzero(over))
        one, other = (int(v) for v in array[:, y, x][array[:, y, x] > 0][:2])
        raise LearningError(
            f"{name}: objects overlap: the pixel in row {y}, column {x} belongs to {one} and to {other}. "
            "Give each pixel to one object"
        )
    ids = [np.where(level > 0, level.astype(np.int64), 0) for level in array]
    shift, joined = 0, np.zeros(array.shape[1:], np.int64)
    for level in ids:
        joined += np.where(level > 0, level + shift, 0)
        shift += int(level.max())
    return joined


def _region(complete: ArrayLike | bool, shape: tuple[int, ...], name: str) -> NDArray[np.bool_] | None:
    if isinstance(complete, (bool, np.bool_)):
        return None if complete else np.zeros(shape, bool)
    area = np.asarray(complete)
    if area.shape != shape:
        raise LearningError(
            f"{name}: the region that is labelled completely has shape {_times(area.shape)}, the image "
            f"{_times(shape)}: give a mask of that image"
        )
    region: NDArray[np.bool_] = area != 0
    return region


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _divided(whole: TrainingImage, view: NDArray[np.uint8], hold_back: bool) -> Lesson:
    """Cut an image in two across its longer side, so that about a fifth of its objects is held back."""
    labels = whole.objects
    count = int(labels.max())
    if hold_back:
        every = np.array(ndi.center_of_mass(labels > 0, labels, np.arange(1, count + 1)))
        longer = int(labels.shape[1] > labels.shape[0])
        # Across the other side where all lie in a row.
        for axis in (longer, 1 - longer):
            place, rest, inside = _cut(every[:, axis], labels.shape[axis])
            if 0 < inside.sum() < count:
                before = (slice(None),) * axis
                held = np.zeros(labels.shape, bool)
                held[(*before, place)] = True
                ids = tuple(int(i) for i in np.flatnonzero(inside) + 1)
                return Lesson(whole, _part(whole, (*before, rest)), held, ids, view)
    return Lesson(whole, whole, None, (), view)


def _cut(centres: NDArray[np.float64], length: int) -> tuple[slice, slice, NDArray[np.bool_]]:
    """Return the end that is held back, the smaller one of two, the rest, and which objects lie in it."""
    low, high = _widest_gap(centres), length - _widest_gap(length - centres)
    if low <= length - high:
        return slice(0, low), slice(low, None), centres < low
    return slice(high, None), slice(0, high), centres >= high


def _widest_gap(centres: NDArray[np.float64]) -> int:
    """Return where a fifth of the objects lies before, or up to two: in the widest gap between centres."""
    order = np.sort(centres)
    few = max(1, round(_HELD_BACK * len(order)))
    gaps = np.diff(order)[few - 1 : 2 * few]
    at = few - 1 + int(gaps.argmax())
    return max(1, round(float(order[at] + order[at + 1]) / 2))


def _part(whole: TrainingImage, place: tuple[slice, ...]) -> TrainingImage:
    return TrainingImage(
        np.ascontiguousarray(whole.image[place]),
        [np.ascontiguousarray(whole.objects[place])],
        whole.kind,
        whole.negatives,
        whole.group,
        whole.name,
        complete=None if whole.complete is None else whole.complete[place],
        weights=whole.weights,
        alike=True,
    )
