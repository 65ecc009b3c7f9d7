"""Mends kept on the disk while they are made, and offered again after a crash."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.errands import Errands
from napari_sam2_automask._napari.common.layout import roomy
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.json_file import json_bytes, read_json
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.mending.actions import Settle
from napari_sam2_automask.mending.mends import Done, Mends

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask.mending.actions import Action

__all__ = ["Autosave"]

FOLDER = "napari-sam2-automask-mends"
#: Mends are written after so many milliseconds, and so many actions.
WAIT, ACTIONS = 30_000, 10


class Autosave(QWidget):
    """Writes what was done to the objects of a result beside the settings, and asks whether to restore it.

    The file is that of the labels as the run gave them, so that the same run of the same image finds it. It
    goes when the result is closed or the window is; so only a crash leaves one behind.

    Parameters
    ----------
    live : LivePanel
        Whose mends are kept.
    store : Store
        Beside whose file they are.

    Attributes
    ----------
    path : Path or None
        The file of the result that is followed; None where nothing is kept.
    """

    def __init__(self, live: LivePanel, store: Store) -> None:
        super().__init__()
        self._live, self._store = live, store
        self.path: Path | None = None
        self._kept: tuple[Action, ...] = ()
        self._found: dict[str, Any] | None = None
        self._errands = Errands(self)
        self.question = QLabel()
        self.yes, self.no = QPushButton("Restore"), QPushButton("Forget")
        self._timer = QTimer(self)
        self._timer.setInterval(WAIT)
        self._timer.timeout.connect(self.keep)
        self.yes.clicked.connect(self._restore)
        self.no.clicked.connect(self._forget)
        live.begun.connect(self._begin)
        live.drawn.connect(self._on_drawn)
        live.ended.connect(self.end)
        self._lay_out()

    def keep(self) -> None:
        """Write the mends now, if there are any that were not written."""
        follower, path = self._live.live_layer, self.path
        if follower is None or path is None or self._found is not None:
            return
        steps, used, name = follower.shows.steps, follower.shows.used, follower.layer.name
        if steps is self._kept or all(isinstance(step, Settle) for step in (*steps, *self._kept)):
            return
        self._kept = steps

        def write() -> None:
            told = {"name": name, "process": os.getpid(), "used": used}
            told["steps"] = [step.to_json() for step in steps]
            write_one(path, json_bytes(told, None), parents=True)

        self._errands.send(write, lambda _: None, lambda error: None)

    def end(self) -> None:
        """Keep nothing any more: what is closed by a person is no crash."""
        self._timer.stop()
        path, self.path, self._kept, self._found = self.path, None, (), None
        self.setVisible(False)
        if path is not None:
            self._errands.send(lambda: path.unlink(missing_ok=True), lambda _: None, lambda error: None)

    def close_down(self) -> None:
        """End, and wait for nothing."""
        path = self.path
        self.end()
        self._errands.close()
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _lay_out(self) -> None:
        self.question.setWordWrap(True)
        self.yes.setToolTip("Do again what was done to the objects before napari ended unexpectedly.")
        self.no.setToolTip("Go on with the result as the run gave it; what was kept is deleted.")
        roomy(self.yes, self.no)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.yes)
        row.addWidget(self.no)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.question)
        layout.addLayout(row)
        self.setVisible(False)

    def _begin(self) -> None:
        self._found, self._kept = None, ()
        self.setVisible(False)
        follower, folder = self._live.live_layer, self._store.folder
        if follower is None or folder is None:
            return
        labels, name = follower.painted(), follower.layer.name

        def look() -> tuple[Path, Any]:
            path = folder / FOLDER / f"{digest(labels)}.json"
            found = None
            with suppress(MendError):  # one that cannot be read is written anew by the next mends
                found = read_json(path, "mends that were kept", MendError) if path.is_file() else None
            return path, found

        def then(ends: tuple[Path, Any]) -> None:
            if self._live.live_layer is not follower:
                return
            self.path, found = ends
            self._timer.start()
            steps = found.get("steps") if isinstance(found, dict) else None
            if isinstance(steps, list) and steps and not _runs(found.get("process")):
                count = len(steps)
                self._found = found
                self.question.setText(
                    f"Restore the mends of {name}? {count:,} step{'s'[: count != 1]} are kept."
                )
                self.setVisible(True)

        self._errands.send(look, then, lambda error: None)

    def _on_drawn(self) -> None:
        follower = self._live.live_layer
        if follower is not None and abs(len(follower.shows.steps) - len(self._kept)) >= ACTIONS:
            self.keep()

    def _restore(self) -> None:
        found, self._found = self._found, None
        self.setVisible(False)
        if found is None:
            return

        def act(mends: Mends) -> Done | None:
            mends.replay(found["steps"], int(found.get("used", 0)))
            height, width = mends.labels.shape
            boxes = np.array([[0, 0, height, width]])
            return Done(mends.steps[-1], (), boxes) if mends.steps else None

        self._live.mend(act)

    def _forget(self) -> None:
        self._found = None
        self.setVisible(False)
        path = self.path
        if path is not None:
            self._errands.send(lambda: path.unlink(missing_ok=True), lambda _: None, lambda error: None)


def _runs(process: Any) -> bool:
    """Tell whether another process of this number is there, which has the mends in its window."""
    if not isinstance(process, int) or process == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
