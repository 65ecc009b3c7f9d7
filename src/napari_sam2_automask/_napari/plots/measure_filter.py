"""A measure as a histogram with two lines, between which objects are kept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.columns import column_title
from napari_sam2_automask._napari.common.histogram import Histogram
from napari_sam2_automask._napari.common.layout import Signal, choice_label, small
from napari_sam2_automask._napari.common.plain_words import plain, short
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.painting.spread import spread
from napari_sam2_automask.selection.measured import filterable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_automask._napari.live.live_layer import LiveLayer
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask.painting.spread import Spread

__all__ = ["MeasureFilter"]

#: Masks that are measured before whatever else the thread of the sliders is to do.
AT_ONCE = 100
_BARS, _DIGITS = 50, 4


class MeasureFilter(QWidget):
    """Shows how a measure is spread over the objects, and filters by it.

    Parameters
    ----------
    live : LivePanel
        Whose objects are measured.

    Attributes
    ----------
    choice : QComboBox
        Which measure.
    histogram : Histogram
        Of the objects that all other settings choose.
    wanted : Qt signal
        Emits the changes, a dict of settings by name, while a person moves a line.
    """

    wanted = Signal(dict)

    def __init__(self, live: LivePanel) -> None:
        super().__init__()
        self._live, self._open = live, False
        self.choice, self.note = QComboBox(), small(QLabel())
        self.choice.setToolTip("The measure that is shown, and that the lines filter by; lengths in pixels.")
        self.choice.setAccessibleName("Measure to filter by")
        self.choice.setMinimumContentsLength(8)
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.histogram = Histogram(
            "Objects", "How many objects have which value; those between the lines are kept.", self._words,
            lines=2,
        )  # fmt: skip
        row = QHBoxLayout()
        row.addWidget(choice_label("Filter by"))
        row.addWidget(self.choice, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row)
        layout.addWidget(self.histogram)
        layout.addWidget(self.note)
        self.note.setVisible(False)
        self.choice.activated.connect(self._measure)
        self.histogram.moved.connect(self._want)
        live.begun.connect(self._begin)
        live.switched.connect(self._begin)
        live.settled.connect(self._measure)
        live.drawn.connect(self._show_lines)

    def set_open(self, shown: bool) -> None:
        """Measure from now on, or nothing any more while nobody looks."""
        self._open = shown
        self._begin()

    def _begin(self) -> None:
        """Offer what can be measured of the objects."""
        follower = self._live.live_layer
        if self._open and follower is not None:
            candidates = follower.candidates
            self._live.look(lambda _: filterable(candidates), self._offer)

    def _offer(self, names: Sequence[str] | AutomaskError) -> None:
        if isinstance(names, AutomaskError):
            self._say(plain(names))
            return
        if [self.choice.itemData(k) for k in range(self.choice.count())] != list(names):
            before = self.choice.currentData()
            self.choice.clear()
            for name in names:
                self.choice.addItem(column_title(name), name)
            self.choice.setCurrentIndex(max(0, self.choice.findData(before)))
        self._measure()

    def _measure(self, *_: object) -> None:
        """Have the objects measured that are not yet, some at a time, and show the values."""
        follower, settings, name = self._live.live_layer, self._live.shown, self.choice.currentData()
        if not self._open or follower is None or settings is None or not name:
            return
        live = follower.live
        self._live.look(lambda _: spread(live, name, settings, AT_ONCE), partial(self._take, follower, name))

    def _take(self, follower: LiveLayer, name: str, found: Spread | AutomaskError) -> None:
        if follower is not self._live.live_layer or name != self.choice.currentData():
            return
        if isinstance(found, AutomaskError):
            self._show(np.empty(0))
            self._say(plain(found))
        elif found.left:
            self._say(f"Measured {found.total - found.left:,} of {found.total:,} masks")
            self._measure()
        else:
            self._say("")
            self._show(found.values)

    def _show(self, values: NDArray[np.float64]) -> None:
        values = values[np.isfinite(values)]
        if len(values) and np.ptp(values) > 0:
            self.histogram.show_counts(*np.histogram(values, bins=_BARS))
        else:
            self.histogram.show_counts(np.zeros(0, np.intp), np.array([0.0, 1.0]))
        self._show_lines()

    def _show_lines(self) -> None:
        settings, name = self._live.shown, self.choice.currentData()
        low, high = self.histogram.edges
        own = next((one for one in settings.filters if one[0] == name), None) if settings else None
        _, least, most = own or ("", None, None)
        self.histogram.show_thresholds(low if least is None else least, high if most is None else most)

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _want(self, values: tuple[float, float]) -> None:
        settings, name = self._live.asked, self.choice.currentData()
        if settings is None or not name:
            return
        (low, high), (first, last) = values, self.histogram.edges
        own = name, None if low <= first else _short(low), None if high >= last else _short(high)
        others = tuple(one for one in settings.filters if one[0] != name)
        self.wanted.emit({"filters": others if own[1:] == (None, None) else (*others, own)})

    def _words(self, values: tuple[float, ...]) -> str:
        low, high = self.histogram.edges
        first = short(values[0]) if values[0] > low else ""
        last = short(values[1]) if values[1] < high else ""
        if first and last:
            return f"{first} to {last}"
        return f"above {first}" if first else f"up to {last}" if last else "all"


def _short(value: float) -> float:
    """Return a number of as many digits as a person would write."""
    return float(f"{value:.{_DIGITS}g}")
