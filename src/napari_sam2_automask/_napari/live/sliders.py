"""The sliders that matter most, in sight: three histograms with lines to drag, and wholes or parts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.histogram import Histogram
from napari_sam2_automask._napari.common.layout import Signal

if TYPE_CHECKING:
    from napari_sam2_automask.painting.live import LiveSelection
    from napari_sam2_automask.settings.amg import AmgSettings
    from napari_sam2_automask.settings.units import Pixel

__all__ = ["Sliders"]

#: Digits that a line which is dragged gives a threshold.
DIGITS = 3


class Sliders(QWidget):
    """Shows how the settings select, and changes them.

    Attributes
    ----------
    sure, stable, sizes : Histogram
        Candidates by predicted IoU, by stability and by area, with the thresholds of the settings.
    parts : QSlider
        The granularity, in percent.
    wanted : Qt signal
        Emits the changes, a dict of settings by name, while a person moves something.
    """

    wanted = Signal(dict)

    def __init__(self) -> None:
        super().__init__()
        self._pixel: Pixel | None = None
        self._showing = False
        self.sure = Histogram(
            "Sure",
            "How sure the model is of each mask: the overlap (IoU) with the true object that it predicts.",
            lambda values: f"above {values[0]:.2f}",
        )
        self.stable = Histogram(
            "Stable",
            "How little each outline moves when the cut through the model's answer is moved.",
            lambda values: f"above {values[0]:.2f}",
        )
        self.sizes = Histogram(
            "Size", "The area of each mask, on a logarithmic scale.", self._size_words, lines=2
        )
        self.parts = QSlider(Qt.Orientation.Horizontal)
        self.parts.setRange(0, 100)
        self.parts.setAccessibleName("Whole or parts")
        # The hand of the slider must reach both words in 300 pixels.
        self.parts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.parts.setToolTip(
            "Where masks lie in others: the wholes, their smallest parts, or something between (granularity)."
        )
        row = QHBoxLayout()
        row.setContentsMargins(5, 0, 5, 0)
        row.addWidget(QLabel("Whole"))
        row.addWidget(self.parts, 1)
        row.addWidget(QLabel("Parts"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for part in (self.sure, self.stable, self.sizes):
            layout.addWidget(part)
        layout.addLayout(row)
        self.sure.moved.connect(lambda values: self._want(pred_iou_thresh=round(values[0], DIGITS)))
        self.stable.moved.connect(lambda values: self._want(stability_score_thresh=round(values[0], DIGITS)))
        self.sizes.moved.connect(self._want_sizes)
        self.parts.valueChanged.connect(lambda value: self._want(nested="choose", granularity=value / 100))

    def show_pixel(self, pixel: Pixel | None) -> None:
        """Tell areas in the unit of such pixels; in pixels if it is None."""
        self._pixel = pixel
        self.sizes.update()

    def show_candidates(self, live: LiveSelection, settings: AmgSettings) -> None:
        """Show the candidates of a run, as they score at some settings."""
        self.sure.show_counts(*live.histogram("predicted_iou", settings))
        self.stable.show_counts(*live.histogram("stability_score", settings))
        self.sizes.show_counts(*live.histogram("area", settings))

    def show_settings(self, settings: AmgSettings) -> None:
        """Show where the thresholds are."""
        self.sure.show_thresholds(settings.pred_iou_thresh)
        self.stable.show_thresholds(settings.stability_score_thresh)
        low, high = self.sizes.edges
        self.sizes.show_thresholds(
            math.log10(settings.min_area) if settings.min_area else low,
            math.log10(settings.max_area) if settings.max_area else high,
        )
        self._showing = True
        self.parts.setValue(round(100 * settings.granularity))
        self._showing = False

    def _want(self, **changes: Any) -> None:
        if not self._showing:
            self.wanted.emit(changes)

    def _want_sizes(self, values: tuple[float, float]) -> None:
        low, high = self.sizes.edges
        self._want(
            min_area=0 if values[0] <= low else round(10 ** values[0]),
            max_area=0 if values[1] >= high else round(10 ** values[1]),
        )

    def _size_words(self, values: tuple[float, ...]) -> str:
        low, high = self.sizes.edges
        first = self._area(values[0]) if values[0] > low else ""
        last = self._area(values[1]) if values[1] < high else ""
        if first and last:
            return f"{first} to {last}"
        return f"above {first}" if first else f"up to {last}" if last else "all"

    def _area(self, value: float) -> str:
        area = 10**value
        return f"{area:,.0f} px" if self._pixel is None else self._pixel.told(area, 2)
