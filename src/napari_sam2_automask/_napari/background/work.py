"""What is done with large runs off the main thread; the machinery is imported there too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.background.open_result import read_result
from napari_sam2_automask._napari.background.spec_of_request import checked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels

    from napari_sam2_automask._napari.background.known_runs import KnownRun
    from napari_sam2_automask._napari.layers.image_source import ImageSource
    from napari_sam2_automask.large.background import Status
    from napari_sam2_automask.large.spec import LargeSpec

__all__ = ["look_at", "open_run", "resume_run", "start_run", "stop_run"]


def look_at(outputs: list[str]) -> dict[str, Status]:
    """Return how the runs that write these outputs are doing."""
    from napari_sam2_automask.large.background import status

    return {output: status(Path(output)) for output in outputs}


def open_run(run: KnownRun, place: Mapping[str, Any]) -> Labels | Status:
    """Return a layer of the labels, see `read_result`; how the run is doing if it has none yet."""
    from napari_sam2_automask.large.background import status

    found = status(Path(run.output))
    # Half a result is never where the whole one will be: before the end there is nothing to open.
    return read_result(run, place) if found.state == "finished" else found


def start_run(spec: LargeSpec, source: ImageSource) -> None:
    """Start a run, if its file holds what the layer shows; raises `AutomaskError` if it cannot be."""
    from napari_sam2_automask.large.background import start
    from napari_sam2_automask.models.catalogue.identity import by_hash

    # A run that is resumed later goes on with these weights, whatever has their name then.
    start(replace(checked(spec, source), model=by_hash(spec.model)))


def stop_run(output: str) -> None:
    """Ask a run to stop."""
    from napari_sam2_automask.large.background import stop

    stop(Path(output))


def resume_run(output: str) -> None:
    """Go on with a run that was stopped; raises `AutomaskError` if it cannot be."""
    from napari_sam2_automask.large.background import resume

    resume(Path(output))
