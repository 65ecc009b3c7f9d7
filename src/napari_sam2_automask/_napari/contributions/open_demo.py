"""The demo's images and results in napari, with the widget docked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari

from napari_sam2_automask._napari.layers.features import numbered
from napari_sam2_automask._napari.run.place_result import RECORD_KEY
from napari_sam2_automask._napari.widget import AutomaskWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_automask.evaluation.demo import DemoResult

__all__ = ["add_results", "open_demo"]

#: The preset whose labels are visible at first.
SHOWN = "balanced"


def open_demo(results: Sequence[DemoResult], *, block: bool = True) -> napari.Viewer:
    """Open the demo's images, labels and ground truth in a viewer, side by side.

    Parameters
    ----------
    results : sequence of DemoResult
        What `napari_sam2_automask.evaluation.demo.run_demo` returned.
    block : bool
        Whether to wait until the viewer is closed.
    """
    viewer = napari.Viewer(title="SAM 2 AutoMask demo")
    add_results(viewer, results)
    viewer.window.add_dock_widget(AutomaskWidget(viewer), name="SAM 2 AutoMask", area="right")
    if block:
        napari.run()
    return viewer


def add_results(viewer: napari.Viewer, results: Sequence[DemoResult]) -> None:
    """Add each image once with its ground truth, hidden, and the labels of every preset."""
    offset, shown = 0.0, {}
    for result in results:
        title = result.sample.title
        if title not in shown:
            shown[title] = (0.0, offset)
            offset += result.image.shape[1] + 20
            image = result.image
            viewer.add_image(image, name=title, rgb=image.ndim == 3, translate=shown[title])
            truth = f"{title} - ground truth"
            viewer.add_labels(result.truth, name=truth, translate=shown[title], visible=False)
        viewer.add_labels(
            result.segmentation.labels,
            name=f"{title} - {result.preset}, F1 {result.f1:.2f}",
            features=numbered(result.segmentation.table),
            metadata={RECORD_KEY: result.segmentation.record},
            translate=shown[title],
            visible=result.preset == SHOWN,
        )
    viewer.reset_view()
