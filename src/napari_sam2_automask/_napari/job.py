"""What happens on the inference thread: planes of an image to one label array and one table."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam2_automask.progress import Cancelled, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.source import ImageSource
    from napari_sam2_automask.live import LiveSelection
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.settings import AmgSettings

    Index = tuple[int, ...]

__all__ = [
    "Outcome",
    "PlaneResult",
    "Previous",
    "Request",
    "Segmenter",
    "digest",
    "model_view",
    "run_request",
]


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
        What the generator is told.
    preset : str
        The name of the preset that the settings are, or were made from.
    custom : bool
        Whether a person changed the preset's settings.
    model, device : str
        The model's name or file, and ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    contrast : str
        ``"layer"`` for the layer's contrast limits, ``"percentiles"`` for those of each plane.
    indices : tuple of plane indices
        The planes to segment; ``((),)`` for a 2-D image.
    previous : Previous or None
        What an earlier run with the same settings left.
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

    @property
    def contrast_limits(self) -> tuple[float, float] | None:
        """The intensities shown as black and white, or None for percentiles of the plane."""
        low, high = self.source.contrast_limits
        return (low, high) if self.contrast == "layer" and low < high else None


@dataclass(frozen=True, eq=False)
class PlaneResult:
    """The result of one plane.

    Attributes
    ----------
    labels : ndarray of unsigned int, shape (Y, X)
        0 is background.
    table : DataFrame
        One row per object, its label in column ``index``.
    record : dict
        How the plane was segmented, JSON-able.
    removed : mapping of str to int
        How many masks each filter removed.
    complete : bool
        False if the run was cancelled and this is what had been found.
    device : str
        The device that was used.
    live : LiveSelection or None
        What the settings can go on selecting from.
    """

    labels: NDArray[Any]
    table: pd.DataFrame
    record: dict[str, Any] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True
    device: str = ""
    live: LiveSelection | None = None


class Segmenter(Protocol):
    """Segments one plane; the only thing that a test replaces."""

    def __call__(self, plane: NDArray[Any], request: Request, progress: ProgressCallback) -> PlaneResult:
        """Return the result of `plane`, (Y, X) or (Y, X, 3 or 4)."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a run, ready to be put into a layer.

    Attributes
    ----------
    data : ndarray of unsigned int
        Labels of the image's shape.
    table : DataFrame
        One row per object over all planes, ids unique.
    record : dict
        The record of the run.
    digests : dict of plane index to str
        :func:`digest` of each plane written.
    removed : dict of str to int
        How many masks each filter removed, over all planes.
    complete : bool
        Whether every requested plane is done.
    replaces : bool
        Whether `data` may replace the data of the previous layer: nobody has edited it.
    seconds : float
        Wall time.
    device : str
        The device that was used.
    live : LiveSelection or None
        Of a two-dimensional image: what the settings can go on selecting from.
    """

    data: NDArray[Any]
    table: pd.DataFrame
    record: dict[str, Any]
    digests: dict[Index, str]
    removed: dict[str, int]
    complete: bool
    replaces: bool
    seconds: float
    device: str = ""
    live: LiveSelection | None = None


def digest(plane: NDArray[Any]) -> str:
    """Return a hash of a label plane that does not depend on its dtype's width."""
    return hashlib.blake2b(np.ascontiguousarray(plane, dtype=np.uint32).data, digest_size=16).hexdigest()


def run_request(request: Request, segmenter: Segmenter, progress: ProgressCallback) -> Outcome:
    """Segment the requested planes and put them together.

    Parameters
    ----------
    request : Request
        What to do.
    segmenter : Segmenter
        What segments one plane.
    progress : callable
        Told of point prompts done over all planes; may raise `Cancelled`, and then what was found so far is
        returned as an outcome that is not complete.

    Raises
    ------
    AutomaskError
        If the image, a setting or the model cannot be used.
    """
    started = time.perf_counter()
    source = request.source
    results: list[PlaneResult] = []
    for number, index in enumerate(request.indices):
        try:
            plane = source.plane(index)
            result = segmenter(plane, request, _over_planes(progress, number, len(request.indices)))
        except Cancelled:
            break
        results.append(result)
        if not result.complete:
            break
    if not results:
        raise Cancelled("cancelled before anything was found")
    done = request.indices[: len(results)]
    complete = len(results) == len(request.indices) and results[-1].complete
    previous = _unedited(request, done) if complete else None
    if source.other_axes:
        data, table, digests = _stack(source, done, results, previous)
    else:
        data = source.oriented(results[0].labels)
        table, digests = results[0].table, {(): digest(data)}
    removed: dict[str, int] = {}
    for result in results:
        for name, count in result.removed.items():
            removed[name] = removed.get(name, 0) + int(count)
    seconds = time.perf_counter() - started
    record = _record(request, results, done, complete, seconds)
    live = None if source.other_axes else results[0].live
    replaces = previous is not None
    return Outcome(
        data, table, record, digests, removed, complete, replaces, seconds, results[0].device, live
    )


def _over_planes(progress: ProgressCallback, number: int, planes: int) -> ProgressCallback:
    """Count point prompts and encoder passes over all planes; other stages pass as they are."""
    if planes == 1:
        return progress

    def report(state: Progress) -> None:
        if state.stage in ("points", "encoder"):
            state = replace(state, done=state.done + number * state.total, total=state.total * planes)
        progress(state)

    return report


def _unedited(request: Request, indices: tuple[Index, ...]) -> Previous | None:
    """Return the previous result if every plane about to be replaced is as it was written, else None."""
    previous = request.previous
    if previous is None or tuple(previous.data.shape) != request.source.shape:
        return None
    for index in indices:
        plane = np.asarray(previous.data[request.source.slices(index)])
        written = previous.digests.get(index)
        if plane.any() if written is None else digest(plane) != written:
            return None
    return previous


def _stack(
    source: ImageSource, indices: tuple[Index, ...], results: list[PlaneResult], previous: Previous | None
) -> tuple[NDArray[Any], pd.DataFrame, dict[Index, str]]:
    """Put planes into an array of the stack's shape, with label ids unique over all planes.

    An earlier array is continued in place: a copy of a whole stack for one more plane could cost more than
    the run. The viewer draws planes, and redraws when it is told of the change.
    """
    import pandas as pd

    data = np.zeros(source.shape, np.uint32)
    if previous is not None:
        data = previous.data if previous.data.dtype == np.uint32 else previous.data.astype(np.uint32)
    shift = 0 if previous is None else previous.next_id - 1
    tables, digests = [], {}
    names = [_axis_name(source, axis) for axis in source.other_axes]
    for index, result in zip(indices, results, strict=True):
        labels = result.labels.astype(np.uint32)
        labels[labels > 0] += shift
        plane = source.oriented(labels)
        data[source.slices(index)] = plane
        digests[index] = digest(plane)
        table = result.table.copy()
        table["index"] = table["index"] + shift
        for position, (name, value) in enumerate(zip(names, index, strict=True)):
            table.insert(1 + position, name, value)
        tables.append(table)
        shift = max(shift, int(table["index"].max()) if len(table) else 0)
    filled = [table for table in tables if len(table)]
    return data, pd.concat(filled or tables[:1], ignore_index=True), digests


def _axis_name(source: ImageSource, axis: int) -> str:
    """Return the column of the table that says on which plane an object lies."""
    name = source.axis_labels[axis] if axis < len(source.axis_labels) else ""
    return name if name and not name.lstrip("-").isdigit() and not name.startswith("axis") else f"axis_{axis}"


def _record(
    request: Request, results: list[PlaneResult], done: tuple[Index, ...], complete: bool, seconds: float
) -> dict[str, Any]:
    """Return the first plane's record with what only the viewer knows."""
    record = dict(results[0].record)
    record["viewer"] = {
        "layer": request.source.name,
        "path": request.source.path,
        "contrast": request.contrast,
        "contrast_limits": request.contrast_limits,
        "planes": [list(index) for index in done],
        "complete": complete,
        "seconds": round(seconds, 3),
    }
    if len(results) > 1:
        record["planes"] = [result.record for result in results]
    return record


def model_view(
    request: Request, to_view: Callable[..., NDArray[np.uint8]], progress: ProgressCallback
) -> NDArray[np.uint8]:
    """Return what the model would be shown of the first requested plane.

    Returns
    -------
    ndarray of uint8
        The image's axes with every axis but rows and columns of length 1, then RGB.
    """
    source = request.source
    plane = source.plane(request.indices[0])
    view = source.oriented(to_view(plane, rgb=source.rgb, contrast_limits=request.contrast_limits))
    return np.expand_dims(np.ascontiguousarray(view), source.other_axes)
