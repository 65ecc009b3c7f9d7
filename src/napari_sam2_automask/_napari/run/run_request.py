"""What happens on the inference thread: planes of an image to one label array and one table."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_automask._napari.common.preferences import preference
from napari_sam2_automask._napari.run.outcome import Outcome, PlanesFound, digest
from napari_sam2_automask._napari.run.stack_outcome import linked_planes, stack_planes
from napari_sam2_automask._napari.run.start_labels import begun_with
from napari_sam2_automask.errors import ImageError, MendError
from napari_sam2_automask.image.renderings import render
from napari_sam2_automask.progress import Cancelled, Progress
from napari_sam2_automask.stack.plane_store import PlaneStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.outcome import Attach, PlaneResult, Segmenter
    from napari_sam2_automask._napari.run.request import Previous, Request
    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.record.entries import Channels

    Index = tuple[int, ...]

__all__ = ["model_views", "run_request"]


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
    progress(Progress("load", 0, 1))
    request = request.with_contrast()
    source = request.source
    store = PlaneStore(preference("stack_memory") * 1_000_000)
    results = _planes(request, segmenter, progress, store)
    if not results:
        raise Cancelled("cancelled before anything was found")
    done = request.indices[: len(results)]
    complete = len(results) == len(request.indices) and results[-1].complete
    previous = _unedited(request, done) if complete else None
    tracks, link, numbers, links = None, None, None, None
    if request.link and complete and len(results) > 1:
        found = linked_planes(request, results, done)
        data, table, digests, tracks, link, numbers, links = found
    elif source.other_axes:
        data, table, digests, numbers = stack_planes(source, done, results, previous)
    else:
        data = source.oriented(results[0].labels)
        table, digests = results[0].table, {(): digest(data)}
    removed: dict[str, int] = {}
    for result in results:
        for name, count in result.removed.items():
            removed[name] = removed.get(name, 0) + int(count)
    seconds = time.perf_counter() - started
    record = _record(request, results, done, complete, seconds)
    if link is not None:
        record["link"] = link
    live = None if source.other_axes else results[0].live
    planes = None
    if numbers is not None and store.planes:
        begun = {
            index: result.begun
            for index, result in zip(done, results, strict=True)
            if result.begun is not None
        }
        planes = PlanesFound(store, numbers, _attaching(request, results[0].attach), links, begun)
    return Outcome(
        data,
        table,
        record,
        digests,
        removed,
        complete,
        previous is not None,
        seconds,
        results[0].device,
        live,
        tracks,
        planes,
        results[0].mends,
    )


def _planes(
    request: Request, segmenter: Segmenter, progress: ProgressCallback, store: PlaneStore
) -> list[PlaneResult]:
    """Return the results of the requested planes, as far as it comes; their candidates go to the store."""
    results: list[PlaneResult] = []
    for number, index in enumerate(request.indices):
        try:
            if request.start is not None:
                progress(Progress("plane", number, len(request.indices)))
            result = _one(request, index, segmenter, _over_planes(progress, number, len(request.indices)))
        except Cancelled:
            break
        if result.candidates is not None:
            # A copy knows no picture, which would be kept with it.
            store.put(index, replace(result.candidates))
        results.append(replace(result, candidates=None))
        if not result.complete:
            break
    whole = len(results) == len(request.indices)
    if request.start is not None and whole and not any(result.labels.any() for result in results):
        name = request.start.name
        raise MendError(f"the layer {name!r} holds no object: choose another one, or press Run")
    return results


def _attaching(request: Request, attach: Attach | None) -> Callable[[Index, LiveSelection], None] | None:
    """Return what tells a selection of any plane its picture, see `PlanesFound`."""
    if attach is None:
        return None

    def one(index: Index, live: LiveSelection) -> None:
        def read() -> NDArray[Any]:
            plane, region = request.source.plane(index), request.region
            return plane if region is None else region.cut(plane)

        attach(live, read)

    return one


def _one(request: Request, index: Index, segmenter: Segmenter, progress: ProgressCallback) -> PlaneResult:
    """Segment one plane, or the region of it that was asked for."""
    plane, region = request.source.plane(index), request.region
    _check_there(request.source.path, plane)
    if request.start is not None:
        return begun_with(plane, request, segmenter, index)
    if region is None:
        return segmenter(plane, request, progress)
    return region.restore(segmenter(region.cut(plane), request, progress), request.source.plane_shape)


def _check_there(path: str | None, plane: NDArray[Any]) -> None:
    """Refuse a black plane of a file that lacks planes: readers show such as black.

    Raises
    ------
    ImageError
        If a channel of the plane is all 0 and the file lacks planes; which, and in what file they should be.
    """
    if path is None or np.any(plane, (0, 1)).all():
        return
    from napari_sam2_automask.files.opening import absent_in

    if Path(path).is_file() and (told := absent_in(Path(path))):
        raise ImageError(told)


def _over_planes(progress: ProgressCallback, number: int, planes: int) -> ProgressCallback:
    """Count point prompts and passes over all planes; other stages pass as they are."""
    if planes == 1:
        return progress

    def report(state: Progress) -> None:
        if state.stage in ("points", "encoder", "fit"):
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


def _record(
    request: Request, results: list[PlaneResult], done: tuple[Index, ...], complete: bool, seconds: float
) -> dict[str, Any]:
    """Return the first plane's record with what only the viewer knows."""
    from napari_sam2_automask.record.entries import Viewer

    source, record = request.source, dict(results[0].record)
    viewer = {
        "layer": source.name,
        "path": source.path,
        "level": source.level,
        "shape": source.layer_shape or source.shape,
        "rows_columns": source.layer_rows_columns,
        "projected": source.projected and source.projected.kind,
        "over": source.projected and source.projected.axis,
        "contrast": request.contrast,
        "contrast_limits": request.contrast_limits,
        "planes": done,
        "complete": complete,
        "region": request.region,
        "channels": _channels(request, done[0]),
        "seconds": round(seconds, 3),
    }
    record["viewer"] = Viewer.model_validate(viewer).to_json()
    if len(results) > 1:
        record["planes"] = [result.record for result in results]
    return record


def _channels(request: Request, index: Index) -> Channels | None:
    channels, source = request.source.channels, request.source
    if channels is None:
        return None
    return channels.record(request.contrast, source.plane(index), source.path)


def model_views(request: Request, progress: ProgressCallback) -> list[tuple[str, NDArray[np.uint8]]]:
    """Return what the model would be shown of the first requested plane.

    Returns
    -------
    list of (str, ndarray of uint8)
        Pictures with what to call them: one, or one for each channel where these are shown by themselves, in
        each of the renderings that the settings ask for. They have the image's axes, every axis but rows and
        columns of length 1, then RGB.
    """
    request = request.with_contrast()
    source, renderings = request.source, request.settings.renderings
    views = request.views(source.plane(request.indices[0]))
    names = source.channels.names if source.channels is not None and len(views) > 1 else [source.name]
    kinds = ["" if kind == "raw" else f", {kind}" for kind in renderings.split("+")]
    return [
        (name + kind, np.expand_dims(np.ascontiguousarray(source.oriented(picture)), source.other_axes))
        for name, view in zip(names, views, strict=True)
        for kind, picture in zip(kinds, render(view, renderings), strict=True)
    ]
