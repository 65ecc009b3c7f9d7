"""What a run will cost, in passes, prompts and seconds, learnt from earlier runs on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, TypedDict

import torch

from napari_sam2_automask.engine.encoder.half_precision import is_half

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.settings.amg import AmgSettings

from contextlib import contextmanager

__all__ = ["Estimate", "Pace", "estimate", "pace_of"]


class Estimate(TypedDict):
    """What a run will cost; None where that depends on the image, or the model has not run here."""

    encoder_passes: int | None
    point_prompts: int | None
    seconds: float | None


@dataclass(slots=True)
class Pace:
    """Seconds that one model took, added up over its runs in this process."""

    encoder_seconds: float = 0.0
    encoder_passes: int = 0
    point_seconds: float = 0.0
    points: int = 0

    @contextmanager
    def encoding(self, crops: int) -> Iterator[None]:
        """Measure the encoder on some crops; what is stopped does not count."""
        start = perf_counter()
        yield
        self.encoder_seconds += perf_counter() - start
        self.encoder_passes += crops

    @contextmanager
    def asking(self, points: int) -> Iterator[None]:
        """Measure some point prompts, everything that follows from them included."""
        start = perf_counter()
        yield
        self.point_seconds += perf_counter() - start
        self.points += points


_paces: dict[tuple[str, str, int, bool, bool, bool], Pace] = {}


def pace_of(model: Model, settings: AmgSettings) -> Pace:
    """Return the pace of a model on its device with the present number of threads."""
    threads = torch.get_num_threads() if model.device.type == "cpu" else 0
    half = is_half(settings, model.device)
    key = model.name, str(model.device), threads, settings.use_m2m, settings.multimask_output, half
    return _paces.setdefault(key, Pace())


def estimate(settings: AmgSettings, image_shape: tuple[int, int], model: Model) -> Estimate:
    """Say what a run will cost.

    Parameters
    ----------
    settings : AmgSettings
        Grid and crops.
    image_shape : (int, int)
        Rows and columns; every image is resized to the model's input, so that its size hardly matters.
    model : Model
        The model, on its device.

    Returns
    -------
    Estimate
        Encoder passes, None with a fit to the objects; point prompts, None with a fit and at objects; and,
        where both are known and the model has run in this process, seconds.
    """
    pace = pace_of(model, settings)
    passes = None if settings.fitted else settings.encoder_passes
    prompts = None if settings.fitted or settings.at_objects else settings.point_prompts
    unknown = min(image_shape) < 1 or not pace.encoder_passes or not pace.points
    if unknown or passes is None or prompts is None:
        return {"encoder_passes": passes, "point_prompts": prompts, "seconds": None}
    seconds = passes * pace.encoder_seconds / pace.encoder_passes + prompts * pace.point_seconds / pace.points
    return {"encoder_passes": passes, "point_prompts": prompts, "seconds": seconds}
