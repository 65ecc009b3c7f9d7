"""What is said about a run that ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask._napari.run.progress_words import duration
from napari_sam2_automask.candidates.candidates import left_out_text
from napari_sam2_automask.settings.amg import ALL_LEVELS
from napari_sam2_automask.settings.units import Pixel, width_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_automask._napari.run.controller import Finished

__all__ = ["finished_text"]


def finished_text(finished: Finished, *, image_present: bool = True) -> str:
    """Return one or two sentences: how many objects, how long, or why there are none."""
    outcome, name = finished.outcome, finished.request.source.name
    if outcome is None:
        return "Cancelled before any object was found."
    count = outcome.table["index"].nunique()  # planes may share an object
    objects = f"{count:,} object{'' if count == 1 else 's'}"
    gone = "" if image_present else f" The image {name!r} was removed meanwhile; its labels are kept."
    if not outcome.complete:
        if not count:
            return "Cancelled before any object was found."
        return f"Cancelled: {objects} found so far, in a layer named (partial)." + gone
    if not count:
        return _nothing_found(name, outcome.removed)
    if (start := finished.request.start) is not None:
        return f"{objects} of {start.name}, to be mended. That layer stays as it is, hidden." + gone
    device = f" on {outcome.device}" if outcome.device else ""
    levels = _levels_text(finished.request.settings.overlap, live=outcome.live is not None)
    left_out = left_out_text(outcome.removed)
    left_out = f" {plain(left_out)}." if left_out else ""
    fitted = _fit_text(finished, outcome.record)
    return f"{objects} in {duration(outcome.seconds)}{device}.{fitted}{levels}{left_out}" + gone


def _fit_text(finished: Finished, record: Mapping[str, Any]) -> str:
    """Say what the magnification was fitted to, or that there was nothing to fit it to."""
    width, source = record.get("object_diameter"), finished.request.source
    if width:
        pixel = Pixel.known(source.pixel_size, source.unit)
        return f" Magnification fits objects {width_text(width, pixel)} wide."
    asked = record.get("settings", {}).get("fit_objects", False)
    return " No objects of a size were seen, so nothing was magnified." if asked else ""


def _levels_text(overlap: str, *, live: bool) -> str:
    """Say where the levels are, or that there are none."""
    if overlap != ALL_LEVELS:
        return ""
    if live:
        return " Each level is a layer of its own, hidden below the result."
    return " Levels are kept for images of two axes only; here small objects lie on top."


def _nothing_found(name: str, removed: Mapping[str, int]) -> str:
    """Say what each filter removed, the largest number first."""
    counts = sorted(((count, what) for what, count in removed.items() if count), reverse=True)
    if not counts:
        return f"No objects in {name!r}: the model found no mask. Is the contrast right?"
    what = ", ".join(f"{filter_name} {count:,}" for count, filter_name in counts)
    return f"No objects in {name!r}. Masks removed by each filter: {what}. Lower those thresholds."
