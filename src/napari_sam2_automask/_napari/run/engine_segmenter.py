"""The segmenter of the real engine: loads a model once, keeps it, and runs propose, select and paint."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.common.inference_thread import torch_threads
from napari_sam2_automask._napari.common.preferences import preference, use_preferences
from napari_sam2_automask._napari.common.torch_loading import load_torch, warm_up_drawing
from napari_sam2_automask._napari.run.outcome import PlaneResult
from napari_sam2_automask.models.catalogue.identity import by_hash
from napari_sam2_automask.progress import Cancelled, Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask._napari.run.request import Request
    from napari_sam2_automask.candidates.candidates import Candidates
    from napari_sam2_automask.geometry.placed import Placed
    from napari_sam2_automask.models import Model
    from napari_sam2_automask.painting.live import AskModel, Box, LiveSelection, Point
    from napari_sam2_automask.progress import ProgressCallback

__all__ = ["EngineSegmenter", "engine_segmenter"]


class EngineSegmenter:
    """Runs the engine on planes; lives on the inference thread and imports torch there.

    The last model stays loaded, so that running again starts at once.
    """

    def __init__(self) -> None:
        self._key: tuple[str, str] | None = None
        self._model: Model | None = None
        self._threads_set = False

    def __call__(self, plane: NDArray[Any], request: Request, progress: ProgressCallback) -> PlaneResult:
        """Segment one plane; if cancelled meanwhile, return what was found so far."""
        progress(Progress("load", 0, 1))
        self._get_ready()
        import torch

        with torch.inference_mode():
            complete = True
            try:
                candidates = self._propose(plane, request, progress)
            except Cancelled as cancelled:
                if cancelled.candidates is None:
                    raise
                candidates, complete = _as_in_form(cancelled.candidates, request), False
            if complete:
                progress(Progress("paint", 0, 1))
            result = _choose_and_paint(candidates, plane, request, self._load(request, progress), complete)
            if result.live is not None:
                self.attach(request, result.live, lambda: plane)
            return replace(result, attach=partial(self.attach, request))

    def _get_ready(self) -> None:
        """Load torch, and set on the inference thread what counts for the thread that calls only."""
        load_torch()
        import torch

        use_preferences()
        _keep_features()
        if not self._threads_set:
            # Counts for the calling thread only, with OpenMP; so it is set on this one.
            torch.set_num_threads(preference("threads") or torch_threads())
            self._threads_set = True
            warm_up_drawing()

    def attach(self, request: Request, live: LiveSelection, read: Callable[[], NDArray[Any]]) -> None:
        """Tell a selection its picture, and let it ask the model there; loads nothing yet."""
        from napari_sam2_automask.selection.measured import know_picture

        if request.source.other_axes:  # which may have been on the disk, where no picture is kept
            know_picture(live.candidates, request.picture(read()))
        live.again = lambda settings, report: self._propose(
            read(), replace(request, settings=settings), report
        )
        live.ask = self._asking(read, request, live.candidates.object_diameter)

    def _propose(self, plane: NDArray[Any], request: Request, progress: ProgressCallback) -> Candidates:
        from napari_sam2_automask.pipeline import propose_views
        from napari_sam2_automask.selection.measured import know_picture

        found = propose_views(
            request.views(plane),
            request.asked,
            self._load(request, progress),
            floor=request.floor,
            region=request.region,
            progress=progress,
        )
        know_picture(found, request.picture(plane))
        return _as_in_form(found, request)

    def _asking(self, read: Callable[[], NDArray[Any]], request: Request, diameter: float) -> AskModel:
        """Return what asks the model for one object; of several channels the surest answer counts."""
        views: list[NDArray[np.uint8]] = []

        def asked(
            points: Sequence[Point], on: Sequence[bool], box: Box | None, mask: Placed | None
        ) -> tuple[Placed, float]:
            self._get_ready()
            from napari_sam2_automask.engine.asking import ask
            from napari_sam2_automask.image.renderings import render

            model = self._load(request, no_progress)
            first = request.settings.renderings.split("+")[0]
            views[:] = views or [render(view, first)[0] for view in request.views(read())]
            threshold = request.settings.mask_threshold
            found = [
                ask(view, model, points, on, box=box, mask=mask, diameter=diameter, threshold=threshold)
                for view in views
            ]
            best = max(found, key=lambda one: one.score)
            return best.placed, best.score

        return asked

    def _load(self, request: Request, progress: ProgressCallback) -> Model:
        # A learned model may be replaced by another one of its name.
        key = (by_hash(request.model), request.device)
        if self._model is None or key != self._key:
            from napari_sam2_automask.models import load_model

            self._model = None  # so that two models are never held at once
            self._model = load_model(request.model, device=request.device, progress=progress)
            self._key = key
        return self._model


def _as_in_form(found: Candidates, request: Request) -> Candidates:
    """Return candidates with the form's own points, by which it is told whether changes need another run."""
    form = request.settings
    if request.asked == form:
        return found
    own = found.settings.replace(point_grids=form.point_grids, crop_n_layers=form.crop_n_layers)
    return replace(found, settings=own)


def _choose_and_paint(
    candidates: Candidates, plane: NDArray[Any], request: Request, model: Model, complete: bool
) -> PlaneResult:
    import torch

    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.pipeline import choose_and_paint
    from napari_sam2_automask.record.making import make_record
    from napari_sam2_automask.selection.measured import know_picture

    record = make_record(
        request.asked,
        preset=f"custom (from {request.preset})" if request.custom else request.preset,
        model=model,
        image=plane,
        image_name=request.source.name,
        device=str(model.device),
        threads=torch.get_num_threads(),
        contrast_limits=request.contrast_limits,
        floor=[candidates.floor.pred_iou, candidates.floor.stability],
        proposal=request.asked.to_json(),
    )
    know_picture(candidates, request.picture(plane))
    live = None
    if complete and not request.source.other_axes:
        live = LiveSelection(candidates)
        live.prepare()
        live.update(request.settings)
    painted = choose_and_paint(candidates, request.settings, request.picture(plane), record)
    return PlaneResult(
        labels=painted.labels,
        table=painted.table,
        record=painted.record,
        removed=painted.record["removed"],
        complete=complete,
        device=str(model.device),
        live=live,
        candidates=candidates if complete and request.source.other_axes else None,
    )


def _keep_features() -> None:
    from napari_sam2_automask.engine.encoder.cache import features_cache

    features_cache.limit = preference("remembered_images") * 1_000_000


@cache
def engine_segmenter() -> EngineSegmenter:
    """Return the process's segmenter, so that two widgets share one loaded model."""
    return EngineSegmenter()
