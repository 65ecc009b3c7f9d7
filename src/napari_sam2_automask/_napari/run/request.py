"""What one run is asked to do: made on the main thread when Run is pressed, never changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.layers.point_grid import points_in
from napari_sam2_automask.candidates.candidates import Floor
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.image.view import contrast_of_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask.image.region import Region
    from napari_sam2_automask.settings.amg import AmgSettings

    Index = tuple[int, ...]

__all__ = ["Previous", "Request", "Start"]


@dataclass(frozen=True, eq=False)
class Start:
    """Labels of another layer, to be mended in place of what a model finds.

    Attributes
    ----------
    name, key : str
        What the layer is called, and its own identifier.
    read : callable
        Takes what selects a plane of the image, see `ImageSource.slices`, and returns the labels there,
        (Y, X) in the layer's axes; for a thread that can wait.
    """

    name: str
    key: str
    read: Callable[[tuple[int | slice, ...]], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Previous:
    """The label array of an earlier run with the same settings, which this run may replace.

    Attributes
    ----------
    data : ndarray
        The layer's data, possibly edited by a person.
    digests : mapping of plane index to str
        :func:`digest` of each plane as it was written.
    next_id : int
        One more than the largest label id on the planes that this run leaves alone.
    """

    data: NDArray[Any]
    digests: Mapping[Index, str]
    next_id: int = 1


@dataclass(frozen=True, eq=False)
class Request:
    """Everything that one run needs; made on the main thread, never changed.

    Attributes
    ----------
    source : ImageSource
        The image.
    settings : AmgSettings
        What the form says; see `asked`.
    preset : str
        The name of the preset that the settings are, or were made from.
    custom : bool
        Whether a person changed the preset's settings.
    model, device : str
        The model's name or file, and ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    contrast : str
        ``"layer"`` for the layer's contrast limits, ``"percentiles"`` for those of each plane, ``"stack"``
        for those of planes spread over the stack.
    indices : tuple of plane indices
        The planes to segment; ``((),)`` for a 2-D image.
    previous : Previous or None
        What an earlier run with the same settings left.
    region : Region or None
        Where to look on each plane; None for everywhere.
    link : {"", "z", "t"}
        Link the objects of all planes, along z or in time.
    stack_limits : (float, float) or None
        The percentiles of the stack, once they are known.
    start : Start or None
        The labels to begin with; no model is run then.
    """

    source: ImageSource
    settings: AmgSettings
    preset: str = "balanced"
    custom: bool = False
    model: str = "bundled"
    device: str = "auto"
    contrast: str = "layer"
    indices: tuple[Index, ...] = ((),)
    previous: Previous | None = None
    region: Region | None = None
    link: str = ""
    stack_limits: tuple[float, float] | None = None
    start: Start | None = None

    @cached_property
    def asked(self) -> AmgSettings:
        """The settings with a person's own points as fractions of what is segmented.

        Raises
        ------
        ImageError
            If none of them lies there.
        """
        return points_in(self.settings, self.source, self.region)

    @property
    def contrast_limits(self) -> tuple[float, float] | None:
        """The intensities shown as black and white; None for percentiles, or where channels have theirs."""
        channels = self.source.channels
        if channels is not None and channels.axis is None:
            return None
        if self.contrast == "stack":
            return self.stack_limits
        low, high = self.source.contrast_limits
        return (low, high) if self.contrast == "layer" and low < high else None

    @property
    def asks_for_stack(self) -> bool:
        """Whether black and white are percentiles of a whole stack."""
        return self.contrast == "stack" and bool(self.source.other_axes) and not self.source.rgb

    def with_contrast(self) -> Request:
        """Return the request with the percentiles of the stack, if it asks for them; reads planes of it."""
        source, channels = self.source, self.source.channels
        if not self.asks_for_stack or self.stack_limits is not None:
            return self
        indices = source.all_indices()

        def limits(part: Any) -> tuple[float, float]:
            return contrast_of_planes(lambda k: source.plane(indices[k])[part], len(indices))

        if channels is None:
            return replace(self, stack_limits=limits(...))
        count = len(channels.names)
        # Channels along an axis of one layer have one contrast, those that are layers their own.
        every = [limits((..., c)) for c in range(count)] if channels.axis is None else [limits(...)] * count
        looks = tuple(
            replace(look, contrast_limits=found if found[0] < found[1] else None)
            for look, found in zip(channels.looks, every, strict=True)
        )
        source = replace(source, channels=replace(channels, looks=looks))
        return replace(self, source=source, stack_limits=every[0])

    @property
    def floor(self) -> Floor:
        """The lowest scores of candidates to keep: below the thresholds, so that these can be lowered."""
        return Floor.with_room(self.settings)

    @property
    def pictures(self) -> int:
        """How many pictures of each plane the model sees: one, or one for each channel."""
        channels = self.source.channels
        return len(channels.names) if channels is not None and channels.how == "pool" else 1

    def picture(self, plane: NDArray[Any]) -> LoadedImage:
        """Return the pixels of a plane, or of a part of one, with all that is known of them."""
        source, channels = self.source, self.source.channels
        size, unit = (source.pixel_size, source.unit) if source.unit else (None, None)
        if channels is None:
            return LoadedImage(plane, source.rgb, pixel_size=size, unit=unit)
        looks = tuple(channels.looks_with(self.contrast))
        return LoadedImage(plane, False, None, size, unit, channels.how, looks, channels.names)

    def views(self, plane: NDArray[Any]) -> list[NDArray[np.uint8]]:
        """Return what the model is to see of a plane, or of a part of one: pictures (Y, X, 3)."""
        return self.picture(plane).views(self.contrast_limits)

    def window(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return what the model saw of an array (Y, X) in the image's axes, as a view in the plane's axes."""
        plane = self.source.oriented(data)
        return plane if self.region is None else self.region.cut(plane)
