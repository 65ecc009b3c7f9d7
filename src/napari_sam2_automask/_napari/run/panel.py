"""The button, the progress bar, and what is said about the last run; also in napari's activity dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils import progress as napari_progress
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.layout import Signal, small
from napari_sam2_automask._napari.run.progress_words import duration

if TYPE_CHECKING:
    from napari_sam2_automask._napari.run.progress_words import TrackerState

__all__ = ["RunPanel"]


class RunPanel(QWidget):
    """A button that is Run and, while running, Cancel; one that runs on what shows; a bar; a line of status.

    Attributes
    ----------
    pressed : Qt signal
        The button was pressed.
    view_pressed : Qt signal
        A run of what the viewer shows now is wanted.
    """

    pressed, view_pressed = Signal(), Signal()

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton("Run")
        self.button.setMinimumHeight(30)
        self.button.setStyleSheet("font-weight: bold;")
        self.view = QPushButton("This view")
        self.view.setMinimumHeight(30)
        self.view.setToolTip("Try these settings on what the viewer shows now: quicker than the whole image.")
        self.button.setAccessibleName("Run")
        self.bar = QProgressBar()
        self.bar.setFormat("%p %")
        size = self.bar.sizePolicy()
        size.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(size)
        self.time_left = QLabel()
        self.status = QLabel("Ready")
        self.status.setWordWrap(True)
        self.status.setMinimumHeight(self.status.fontMetrics().lineSpacing() * 2)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.hint = small(QLabel())
        self.hint.setVisible(False)
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.time_left)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        # The buttons are at the very bottom, so that no text that wraps ever moves them.
        buttons = QHBoxLayout()
        buttons.addWidget(self.button, 2)
        buttons.addWidget(self.view, 1)
        layout.addWidget(self.hint)
        layout.addWidget(self.status)
        layout.addLayout(row)
        layout.addLayout(buttons)
        self._activity: napari_progress | None = None
        self._offer, self._idle = "Run", True
        self._shown: tuple[int, int, str] | None = None
        self.button.clicked.connect(self.pressed)
        self.view.clicked.connect(self.view_pressed)
        self.show_idle("Ready")

    def show_idle(self, status: str) -> None:
        """Offer Run and say how the last one went."""
        self._idle = True
        self.button.setText(self._offer)
        self.button.setEnabled(True)
        self.button.setToolTip("Segment the image with these settings (Ctrl+Enter).")
        self.view.setEnabled(True)
        self.bar.setVisible(False)
        self.time_left.clear()
        self.status.setText(status)
        self.close_activity()

    def offer(self, images: int) -> None:
        """Offer to run one image, or all that are selected."""
        self._offer = "Run" if images < 2 else f"Run on {images} images"
        if self._idle:
            self.button.setText(self._offer)

    def suggest(self, text: str) -> None:
        """Suggest something else than Run, or nothing if the text is empty."""
        self.hint.setText(text)
        self.hint.setVisible(bool(text))

    def show_running(self, image_name: str) -> None:
        """Offer Cancel, with an empty progress bar here and in napari's activity dock."""
        self._idle = False
        self.button.setText("Cancel")
        self.view.setEnabled(False)
        self.button.setToolTip("Stop, and keep the objects found so far.")
        # Never 0 of 0: that is drawn as an endless animation, and where OpenGL is done in software each frame
        # of it costs as much as the run.
        self.bar.setRange(0, 1)
        self.bar.setValue(0)
        self.bar.setVisible(True)
        self._shown = None
        # `gui=True` keeps tqdm from drawing a bar on the terminal as well.
        self._activity = napari_progress(total=1, desc=f"Segmenting {image_name}", gui=True)

    def show_cancelling(self) -> None:
        """Say that the run is being stopped."""
        self.button.setText("Cancelling ...")
        self.button.setEnabled(False)

    def show_state(self, state: TrackerState) -> None:
        """Show how far the run is; cheap when nothing changed."""
        left = "" if state.seconds_left is None else f"{duration(max(1.0, state.seconds_left))} left"
        shown = (state.done, state.total, state.text + left)
        if shown == self._shown:
            return
        self._shown = shown
        self.bar.setRange(0, max(1, state.total))
        self.bar.setValue(state.done)
        self.time_left.setText(left)
        self.status.setText(state.text)
        if self._activity is not None and state.total:
            if self._activity.total != state.total:
                self._activity.total = state.total
            self._activity.update(state.done - self._activity.n)

    def close_activity(self) -> None:
        """Take the progress bar out of napari's activity dock."""
        if self._activity is not None:
            self._activity.close()
            self._activity = None
