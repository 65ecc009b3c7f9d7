"""The part of the widget for large images: folded up, and made when it is first unfolded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from superqt import QCollapsible

from napari_sam2_automask._napari.background.known_runs import KnownRuns

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_sam2_automask._napari.background.panel import BackgroundPanel
    from napari_sam2_automask._napari.common.memory import Store
    from napari_sam2_automask._napari.run.request import Request

__all__ = ["BackgroundFold", "large_hint"]

TITLE = "Large images in the background"
#: With more pixels than this on a side, a run in the background is suggested.
LARGE_SIDE = 8192


def large_hint(rows: int, columns: int) -> str:
    """Return a sentence that suggests the background for an image of so many pixels; empty for most."""
    if max(rows, columns) <= LARGE_SIDE:
        return ""
    return (
        f"{rows:,} x {columns:,} pixels: with more than {LARGE_SIDE:,} on a side, better use {TITLE!r} "
        "above. It takes less memory, and goes on when napari is closed."
    )


class BackgroundFold(QCollapsible):
    """A collapsible section; its title counts the runs that are remembered.

    Parameters
    ----------
    viewer : Viewer
        Where results are opened.
    store : Store
        Where runs are remembered.
    request : callable
        Returns what Run would do now with an image of any size; may raise `AutomaskError`.
    layer : callable
        Returns the image chosen, if there is one.
    """

    def __init__(
        self,
        viewer: Viewer,
        store: Store,
        request: Callable[[], Request],
        layer: Callable[[], Image | None],
    ) -> None:
        known = KnownRuns(store)
        count = len(known.all())
        super().__init__(TITLE + (f" ({count})" if count else ""), expandedIcon="▾", collapsedIcon="▸")
        self._arguments = viewer, known, request, layer
        self._panel: BackgroundPanel | None = None
        for folded, left in ((self, 0), (self.content(), 4)):
            if (its_layout := folded.layout()) is not None:
                its_layout.setContentsMargins(left, left, 0, 0)
        self.toggled.connect(self._on_toggled)

    @property
    def panel(self) -> BackgroundPanel:
        """What is in it; made with the first call."""
        if self._panel is None:
            from napari_sam2_automask._napari.background.panel import BackgroundPanel

            self._panel = BackgroundPanel(*self._arguments)
            self.addWidget(self._panel)
        return self._panel

    def expand(self, animate: bool = True) -> None:
        """Unfold it."""
        _ = self.panel  # there before its height is asked for
        super().expand(animate)

    def show_image(self) -> None:
        """Take note that another image is chosen."""
        if self._panel is not None and self.isExpanded():
            self._panel.show_image()

    def close_down(self) -> None:
        """Look at nothing any more. The runs go on."""
        if self._panel is not None:
            self._panel.close_down()

    def _on_toggled(self, unfolded: bool) -> None:
        if self._panel is not None:
            self._panel.watch(unfolded)
