"""The demo: the sample images, coarse, balanced and fine, beside their ground truth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from napari_sam2_automask.disk.atomic import make_folder
from napari_sam2_automask.evaluation.comparison import compare_with_truth
from napari_sam2_automask.evaluation.score import f1
from napari_sam2_automask.files.own_results import save_sheet
from napari_sam2_automask.files.results import ResultPaths, write_results
from napari_sam2_automask.image.picture import LoadedImage
from napari_sam2_automask.image.view import to_model_view
from napari_sam2_automask.pipeline import segment_loaded
from napari_sam2_automask.progress import ProgressCallback, no_progress
from napari_sam2_automask.samples import Sample, samples
from napari_sam2_automask.settings.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2_automask.models import Model
    from napari_sam2_automask.painting.segmentation import Segmentation

__all__ = ["DEMO_PRESETS", "DemoResult", "run_demo", "segment_sample"]

DEMO_PRESETS = ("coarse", "balanced", "fine")


@dataclass(frozen=True, slots=True, eq=False)
class DemoResult:
    """One sample image segmented with one preset.

    Attributes
    ----------
    sample : Sample
        Which image.
    image : ndarray, shape (Y, X) or (Y, X, 3)
        The image.
    truth : ndarray of uint16, shape (Y, X)
        Its ground truth.
    preset : str
        The preset's name.
    segmentation : Segmentation
        What was found.
    f1 : float
        F1 at an IoU of 0.5 against the ground truth.
    seconds : float
        How long it took.
    """

    sample: Sample
    image: NDArray[np.uint8]
    truth: NDArray[np.uint16]
    preset: str
    segmentation: Segmentation
    f1: float
    seconds: float


def run_demo(
    out: str | Path,
    *,
    started: Callable[[str], None] = lambda title: None,
    finished: Callable[[DemoResult], None] = lambda result: None,
    progress: ProgressCallback = no_progress,
) -> list[DemoResult]:
    """Segment the sample images with the bundled model and write the results.

    Parameters
    ----------
    out : str or Path
        Folder for the results: for each image and preset labels, table, COCO JSON, record, and a picture of
        the outlines beside the ground truth.
    started, finished : callable
        Told each image and preset when it starts, and what came of it.
    progress : callable
        Takes the progress within each; may raise `Cancelled`.

    Raises
    ------
    OutputError
        If the results cannot be written.
    ModelError
        If the bundled model is not there.
    Cancelled
        If `progress` raised it.
    """
    out = Path(out)
    from napari_sam2_automask.models import load_model

    make_folder(out)
    model = load_model("bundled")
    results = []
    for sample in samples():
        for preset in DEMO_PRESETS:
            started(f"{sample.title}, {preset}")
            result = segment_sample(sample, preset, model, progress)
            write_demo_result(result, out)
            results.append(result)
            finished(result)
    return results


def segment_sample(
    sample: Sample, preset: str, model: Model, progress: ProgressCallback = no_progress
) -> DemoResult:
    """Segment a sample image with a preset and score it against the ground truth."""
    image, truth = sample.image(), sample.truth()
    start = time.perf_counter()
    loaded = LoadedImage(image, rgb=image.ndim == 3)
    segmentation = segment_loaded(loaded, PRESETS[preset], model, name=sample.path.name, progress=progress)
    seconds = time.perf_counter() - start
    score = f1(segmentation.labels, truth)
    segmentation.record["f1_at_iou_0.5"] = score
    return DemoResult(sample, image, truth, preset, segmentation, score, seconds)


def write_demo_result(result: DemoResult, out: Path) -> None:
    """Write all files of one image and preset; see `run_demo`."""
    stem = f"{result.sample.name}_{result.preset}"

    def write_outlines(file: IO[bytes]) -> None:
        title = f"{result.sample.title}, preset {result.preset}: F1 at IoU 0.5 = {result.f1:.2f}"
        view = to_model_view(result.image)
        page = compare_with_truth(view, result.segmentation.labels, result.truth, title)
        save_sheet(file, page)

    more: dict[Path, Any] = {out / f"{stem}.outlines.png": write_outlines}
    write_results(result.segmentation, ResultPaths.of(out, stem), result.sample.path.name, more)
