"""Labels layers with their images: which belong together, and what of them is learned from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_sam2_automask._napari.layers.features import objects_of
from napari_sam2_automask._napari.layers.layer_choice import is_own_view
from napari_sam2_automask._napari.layers.place import level_data
from napari_sam2_automask._napari.layers.region import drawn, outlines_of_shapes
from napari_sam2_automask._napari.live.level_layers import LEVEL_KEY
from napari_sam2_automask._napari.run.place_result import LAYER_KEY, RECORD_KEY
from napari_sam2_automask._napari.run.request import Request
from napari_sam2_automask.errors import LearningError
from napari_sam2_automask.image.region import Region
from napari_sam2_automask.learning.own_process import LearningTask
from napari_sam2_automask.mending.object_facts import EDITED
from napari_sam2_automask.settings.amg import AmgSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.image_source import ImageSource

    Where = Region | NDArray[np.bool_] | bool

__all__ = [
    "COUNTS",
    "Example",
    "edited_in",
    "image_of",
    "is_mended",
    "is_result",
    "labels_in",
    "take_example",
    "task_of",
]

#: How much an object counts that a person mended, painted over or locked; one that was left alone counts 1.
COUNTS = 3.0


@dataclass(frozen=True, eq=False)
class Example:
    """A Labels layer and its image as they were when learning was asked for; pixels are not read yet.

    Attributes
    ----------
    name : str
        Of the Labels layer.
    source : ImageSource
        The image.
    contrast : str
        As of `Request`.
    labels : array
        The layer's data.
    where : callable
        Returns where all objects are labelled: everywhere, nowhere, in a `Region` or where a mask is true.
    edited : frozenset of int
        Objects that a person mended or locked.
    """

    name: str
    source: ImageSource
    contrast: str
    labels: Any
    where: Callable[[], Where]
    edited: frozenset[int]

    def read(self) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.bool_] | bool, dict[int, float]]:
        """Return what the model sees, the labels, where they are complete, and what objects count.

        Nothing here computes for long without letting go of Python's lock, for which the viewer would wait.

        Raises
        ------
        LearningError
            If the labels are of another shape, or the model sees several pictures of the image.
        ImageError
            If the image cannot be read, or shapes hold nothing of it.
        """
        source, labels = self.source, self.labels
        if tuple(labels.shape) == source.shape:
            plane = np.array(source.cut(labels, source.index))
        elif tuple(labels.shape) == source.plane_shape:
            plane = np.array(labels)
        else:
            raise LearningError(
                f"the labels {self.name!r} are {_times(labels.shape)}, the image {source.name!r} is "
                f"{_times(source.shape)}: choose the image that they are of"
            )
        request = Request(source, AmgSettings(), contrast=self.contrast, indices=(source.index,))
        views = request.with_contrast().views(source.plane(source.index))
        if len(views) > 1:
            raise LearningError(
                f"of {source.name!r} the model sees {len(views)} pictures, one for each channel, and learns "
                "from one: choose one channel, or channels mixed"
            )
        weights = dict.fromkeys(sorted(self.edited), COUNTS)
        return views[0], plane, self._complete(plane.shape), weights

    def _complete(self, shape: tuple[int, ...]) -> NDArray[np.bool_] | bool:
        region = self.where()
        if not isinstance(region, Region):
            return region
        mask = np.zeros(shape, bool)
        part = region.cut(mask)
        part[...] = True if region.mask is None else region.mask
        return mask


def labels_in(layers: Iterable[Layer]) -> list[Labels]:
    """Return the Labels layers that can be learned from, the topmost first; single levels are none."""
    every = [layer for layer in layers if isinstance(layer, Labels) and LEVEL_KEY not in layer.metadata]
    return every[::-1]


def image_of(labels: Labels, images: Sequence[Image]) -> Image | None:
    """Return the image that labels belong to: the one that was segmented, or one of their shape and place.

    Parameters
    ----------
    labels : Labels
        The labels.
    images : sequence of Image
        Those that may be it, the topmost first.
    """
    own = [image for image in images if not is_own_view(image)]
    info, record = labels.metadata.get(LAYER_KEY), labels.metadata.get(RECORD_KEY)
    covers = info.get("covers") if isinstance(info, dict) else None
    if isinstance(covers, dict):
        made = [image for image in own if str(image.unique_id) == covers.get("image")]
        if made:
            return made[0]
    shape = tuple(level_data(labels).shape)
    fit = [image for image in own if tuple(level_data(image).shape[: image.ndim]) == shape]
    known = record.get("image") if isinstance(record, dict) else None
    name = known.get("name") if isinstance(known, dict) else None

    def likely(image: Image) -> tuple[bool, bool]:
        same = image.ndim == labels.ndim and np.allclose(image.extent.world, labels.extent.world)
        return image.name == name, same

    return max(fit, key=likely, default=None)


def is_result(labels: Labels) -> bool:
    """Tell whether labels are the result of a run, mended or not."""
    return RECORD_KEY in labels.metadata


def is_mended(labels: Labels) -> bool:
    """Tell whether a person had a hand in labels: in a result by mending, in others by making them."""
    return not is_result(labels) or bool(edited_in(labels))


def edited_in(labels: Labels) -> frozenset[int]:
    """Return the objects of labels that were mended, painted over or locked, as their table says."""
    features = labels.features
    if EDITED not in features or "index" not in features:
        return frozenset()
    rows = objects_of(features)
    told = rows[EDITED].fillna("").astype(str) != ""
    return frozenset(int(n) for n in rows["index"][told])


def take_example(
    labels: Labels,
    image: Image,
    source: ImageSource,
    contrast: str,
    complete: Shapes | bool,
    locked: Iterable[int] = (),
) -> Example:
    """Take note of labels and their image; reads no pixels.

    Parameters
    ----------
    labels, image : layers
        What belongs together.
    source : ImageSource
        The image as a run would take it.
    contrast : str
        As of `Request`.
    complete : Shapes or bool
        Where all objects are labelled: everywhere, nowhere, or in the shapes of a layer.
    locked : iterable of int
        Objects of which it is known, before their table says so, that they were mended.

    Raises
    ------
    ImageError
        If no shape encloses an area.
    """
    where: Callable[[], Where]
    if isinstance(complete, Shapes):
        outlines = outlines_of_shapes(complete, image, source)
        where = partial(drawn, complete.name, outlines, source.plane_shape)
    else:
        where = partial(_segmented_part, labels, complete)
    return Example(
        labels.name, source, contrast, level_data(labels), where, edited_in(labels) | frozenset(locked)
    )


def task_of(examples: Sequence[Example], **more: Any) -> LearningTask:
    """Read the pixels and return what is to be learned; for a thread that can wait.

    Parameters
    ----------
    examples : sequence of Example
        What is learned from.
    more
        Further arguments of `LearningTask`.

    Raises
    ------
    AutomaskError
        If they do not fit together or cannot be read.
    """
    images, labels, complete, weights = zip(*(example.read() for example in examples), strict=True)
    return LearningTask(images, labels, complete, weights, tuple(one.name for one in examples), **more)


def _segmented_part(labels: Labels, complete: bool) -> Region | bool:
    """Return the part of its image that a result is of, if it is complete there."""
    record = labels.metadata.get(RECORD_KEY)
    viewer = record.get("viewer") if isinstance(record, dict) else None
    told = viewer.get("region") if isinstance(viewer, dict) else None
    return complete if told is None or not complete else Region.from_json(told)


def _times(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))
