"""One large run in the list: how it is doing, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout

from napari_sam2_automask._napari.common.layout import Signal, roomy

if TYPE_CHECKING:
    from napari_sam2_automask._napari.background.known_runs import KnownRun
    from napari_sam2_automask.large.background import Status

__all__ = ["BackgroundRow", "state_text"]

STAGES = {
    "signature": "Reading the image",
    "tiles": "Segmenting tiles",
    "seams": "Comparing seams",
    "labels": "Drawing labels",
    "pyramid": "Making the pyramid",
}


def state_text(status: Status) -> str:
    """Return how a run is doing, in a sentence."""
    counted = f"{status.done:,} of {status.total:,}"
    if status.state == "running":
        return f"{STAGES.get(status.stage, status.stage)}: {counted}" if status.stage else "Starting"
    if status.state == "stopped":
        where = f" at {status.stage} {counted}" if status.stage else ""
        return f"Stopped{where}; what is done is kept"
    if status.state == "failed":
        return f"Failed: {status.message}"
    if status.state == "finished":
        return f"Finished, {status.message}" if status.message else "Finished"
    return "Its files are gone"


class BackgroundRow(QFrame):
    """A name, a state, a bar while it runs, and the buttons that fit the state.

    Parameters
    ----------
    run : KnownRun
        The run.

    Attributes
    ----------
    wanted : Qt signal
        Emits ``"stop"``, ``"resume"``, ``"open"`` or ``"forget"``.
    """

    wanted = Signal(str)

    def __init__(self, run: KnownRun) -> None:
        super().__init__()
        self.run = run
        self.status: Status | None = None
        self._stopping = False
        name = QLabel(Path(run.output).name)
        name.setToolTip(f"{run.output}\nof {run.image}")
        name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.state = QLabel("Looking ...")
        self.state.setWordWrap(True)
        self.state.setStyleSheet("font-size: 11px;")
        self.bar = QProgressBar()
        self.bar.setFormat("%p %")
        self.bar.setVisible(False)
        self.stop, self.resume = QPushButton("Stop"), QPushButton("Resume")
        self.open, self.forget = QPushButton("Open result"), QPushButton("Forget")
        self.stop.setToolTip("Stop after what it is doing; what is finished is kept.")
        self.resume.setToolTip("Go on where it stopped, with the settings it was started with.")
        self.open.setToolTip("Add the labels as a layer, where the image lies; only what is shown is read.")
        self.forget.setToolTip("Take it off this list; its files stay where they are.")
        top = QHBoxLayout()
        top.addWidget(name, 1)
        for what in ("stop", "resume", "open", "forget"):
            button: QPushButton = getattr(self, what)
            roomy(button)
            button.setVisible(False)
            button.clicked.connect(lambda _=False, what=what: self._press(what))
            top.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.state)
        layout.addWidget(self.bar)

    def show_status(self, status: Status) -> None:
        """Show how the run is doing; cheap when nothing changed."""
        if status == self.status:
            return
        self.status = status
        running = status.state == "running"
        self._stopping = self._stopping and running
        self.state.setText("Stopping ..." if self._stopping else state_text(status))
        self.bar.setVisible(running and status.total > 0)
        if running and status.total:
            self.bar.setRange(0, status.total)
            self.bar.setValue(status.done)
        self.stop.setVisible(running)
        self.stop.setEnabled(not self._stopping)
        self.resume.setVisible(status.state in ("stopped", "failed"))
        self.resume.setEnabled(True)
        self.open.setVisible(status.state == "finished")
        self.open.setEnabled(True)
        self.forget.setVisible(not running)

    def show_unfinished(self, status: Status) -> None:
        """Say that there is nothing to open yet, and how far the run is."""
        self.show_status(status)
        self.state.setText(f"Not finished yet, so there is nothing to open. {state_text(status)}")

    def enable(self) -> None:
        """Offer its buttons again."""
        for button in (self.stop, self.resume, self.open):
            button.setEnabled(True)

    def _press(self, what: str) -> None:
        if what == "stop":
            self._stopping = True
            self.state.setText("Stopping ...")
        if what != "forget":
            getattr(self, what).setEnabled(False)
        self.wanted.emit(what)
