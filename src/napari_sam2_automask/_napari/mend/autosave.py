"""Mends kept on the disk while they are made, and offered again after a crash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_sam2_automask._napari.common.errands import Errands
from napari_sam2_automask._napari.common.layout import roomy
from napari_sam2_automask._napari.common.plain_words import plain
from napari_sam2_automask._napari.mend.mends_file import MendsFile, count_steps
from napari_sam2_automask._napari.run.outcome import digest
from napari_sam2_automask._napari.run.place_result import LAYER_KEY
from napari_sam2_automask.errors import MendError
from napari_sam2_automask.mending.actions import Settle
from napari_sam2_automask.mending.restoring import restore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.live.plane_switch import PlaneSwitch
    from napari_sam2_automask.mending.actions import Action
    from napari_sam2_automask.stack.relabelled import Relabelled

__all__ = ["Autosave"]

FOLDER = "napari-sam2-automask-mends"
#: Mends are written after so many milliseconds, and so many actions.
WAIT, ACTIONS = 30_000, 10


class Autosave(QWidget):
    """Writes what was done to the objects of a result beside the settings, and asks whether to restore it.

    The file is that of the labels as the run gave them, so that the same run of the same image finds it. It
    goes when the result is closed or the window is; so only a crash leaves one behind. Two windows with the
    same result keep their mends in a file each.

    Parameters
    ----------
    live : LivePanel
        Whose mends are kept.
    store : Store
        Beside whose file they are.
    planes : PlaneSwitch
        Knows the stack, if there is one, whose planes are mended.
    """

    def __init__(self, live: LivePanel, store: Store, planes: PlaneSwitch) -> None:
        super().__init__()
        self._live, self._store, self._planes = live, store, planes
        self._file: MendsFile | None = None
        self._kept: tuple[Action | Relabelled, ...] = ()
        # How many steps a result begins with, such as the labels that were there before.
        self._begun = 0
        # What was kept in sessions for which there is no answer yet.
        self._found: list[dict[str, Any]] = []
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
        live.passed.connect(lambda plane: self._on_drawn())
        live.ended.connect(self.end)
        self._lay_out()

    @property
    def path(self) -> Path | None:
        """The file of the result that is followed; None where nothing is kept."""
        return None if self._file is None else self._file.path

    def keep(self) -> None:
        """Write the mends now, if there are any that were not written.

        While it is not answered whether those of before are to come back, these are kept with the new ones.
        """
        follower, file, stack = self._live.live_layer, self._file, self._planes.stack
        if file is None or (follower is None and stack is None):
            return
        steps = self._steps()
        more = (*steps[self._begun :], *self._kept[self._begun :])
        if steps is self._kept or all(isinstance(step, Settle) for step in more):
            return
        self._kept, before = steps, self._found

        name = self._name()
        done = {} if stack is None else stack.told
        used, own = (0, ()) if follower is None else (follower.shows.used, follower.shows.steps)

        def write() -> None:
            whole: dict[str, Any] = {"name": name}
            if stack is not None:
                whole["planes"] = stack.kept(done)
                if stack.linked is not None and (links := stack.linked.kept()) is not None:
                    whole["links"] = links
            else:
                whole |= {"used": used, "steps": [step.to_json() for step in own]}
            file.write(whole, before)

        self._errands.send(write, lambda _: None, lambda error: None)

    def end(self) -> None:
        """Keep nothing any more: what is closed by a person is no crash."""
        self._timer.stop()
        file, self._file, self._kept, self._found = self._file, None, (), []
        self.setVisible(False)
        if file is not None:
            self._errands.send(file.close, lambda _: None, lambda error: None)

    def close_down(self) -> None:
        """End, and wait for nothing."""
        file = self._file
        self.end()
        self._errands.close()
        if file is not None:
            file.close()

    def _steps(self) -> tuple[Action | Relabelled, ...]:
        """Return all that was done, of a stack plane after plane, and then to its links."""
        follower, stack = self._live.live_layer, self._planes.stack
        if stack is not None:
            changes = () if stack.links is None else stack.links.changes
            return (*(step for one in stack.told.values() for step in one.steps), *changes)
        return () if follower is None else follower.shows.steps

    def _name(self) -> str:
        follower, stack = self._live.live_layer, self._planes.stack
        layer = stack.layer if stack is not None else None if follower is None else follower.layer
        return "" if layer is None else str(layer.name)

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
        self._found, self._kept = [], self._steps()
        self._begun = begun = len(self._kept)
        self.setVisible(False)
        follower, folder, stack = self._live.live_layer, self._store.folder, self._planes.stack
        if follower is None or folder is None:
            return
        labels = follower.painted() if stack is None else follower.data
        digests = None if stack is None else dict(stack.layer.metadata[LAYER_KEY]["digests"])
        name = self._name()

        def look() -> MendsFile:
            whose = digest(labels) if digests is None else _of_planes(digests)
            return MendsFile(folder / FOLDER, whose)

        def then(file: MendsFile) -> None:
            if self._planes.stack is not stack or (stack is None and self._live.live_layer is not follower):
                self._errands.send(file.close, lambda _: None, lambda error: None)
                return
            self._file = file
            self._timer.start()
            count = sum(count_steps(one) - begun for one in file.found)
            if count > 0:
                self._found = file.found
                self.question.setText(
                    f"Restore the mends of {name}? {count:,} step{' is' if count == 1 else 's are'} kept."
                )
                self.setVisible(True)

        self._errands.send(look, then, lambda error: None)

    def _on_drawn(self) -> None:
        if abs(len(self._steps()) - len(self._kept)) >= ACTIONS:
            self.keep()

    def _restore(self) -> None:
        sessions, self._found = self._found, []
        self.setVisible(False)
        if not sessions:
            return
        self._kept = ()  # what comes back is to be written again
        if (stack := self._planes.stack) is not None:
            try:
                links = next((one["links"] for one in reversed(sessions) if "links" in one), None)
                self._planes.do_in(stack.restoring([one.get("planes", []) for one in sessions], links))
            except MendError as error:
                self._live.not_mended.emit(plain(error))
        else:
            self._live.mend(lambda mends: restore(mends, sessions))

    def _forget(self) -> None:
        self._found = []
        self.setVisible(False)
        if self._file is not None:
            self._errands.send(self._file.delete, lambda _: None, lambda error: None)
        self._kept = ()
        self.keep()


def _of_planes(digests: Mapping[Any, str]) -> str:
    """Return a hash of a stack's labels from those of its planes."""
    told = "".join(f"{plane}{one}" for plane, one in sorted(digests.items()))
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
