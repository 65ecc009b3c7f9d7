"""The part of the widget that learns: folded up, and made when it is first unfolded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2_automask._napari.common.fold import Fold
from napari_sam2_automask._napari.common.layout import Signal

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.image.panel import ImagePanel
    from napari_sam2_automask._napari.learn.panel import LearnPanel
    from napari_sam2_automask._napari.live.panel import LivePanel
    from napari_sam2_automask._napari.settings.model_choice import ModelChoice

__all__ = ["LearnFold"]


class LearnFold(Fold):
    """A collapsible section that says how learning goes.

    Parameters
    ----------
    viewer, images, models, live
        As for `LearnPanel`.

    Attributes
    ----------
    wanted : Qt signal
        Emits the name of a model that a person wants to use.
    connections : list of (event emitter, callback)
        What to disconnect when the widget goes.
    """

    wanted = Signal(str)

    def __init__(self, viewer: Viewer, images: ImagePanel, models: ModelChoice, live: LivePanel) -> None:
        super().__init__(
            "Learn from these",
            "Fit the small model to your images, from labels that you mended or painted: minutes, no GPU.",
        )
        self.connections: list[tuple[Any, Any]] = []
        self._arguments = viewer, images, models, live
        self._panel: LearnPanel | None = None

    @property
    def panel(self) -> LearnPanel:
        """What is in it; made with the first call."""
        if self._panel is None:
            from napari_sam2_automask._napari.learn.panel import LearnPanel

            self._panel = LearnPanel(*self._arguments)
            self.connections += self._panel.connections
            self._panel.told.connect(self.tell)
            self._panel.wanted.connect(self.wanted)
            self.addWidget(self._panel)
        return self._panel

    def expand(self, animate: bool = True) -> None:
        """Unfold it, and look what there is to learn from."""
        self.panel.refresh()  # there before its height is asked for
        super().expand(animate)

    def close_down(self) -> None:
        """Look no more; what is being learned is kept."""
        if self._panel is not None:
            self._panel.close_down()
