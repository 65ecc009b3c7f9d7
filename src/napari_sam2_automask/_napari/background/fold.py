"""The part of the widget for large images: folded up, and made when it is first unfolded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_automask._napari.background.known_runs import KnownRuns
from napari_sam2_automask._napari.common.fold import Fold

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
        f"{rows:,} x {columns:,} pixels: with more than {LARGE_SIDE:,} on a side, better use {TITLE!r}. "
        "It takes less memory, and goes on when napari is closed."
    )


class BackgroundFold(Fold):
    """A collapsible section that counts the runs that are remembered.

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
        super().__init__(
            TITLE,
            "For images beyond some 8,192 pixels on a side, and for runs that go on when napari is closed.",
        )
        count = len(known.all())
        self.tell(f"{count} run{'' if count == 1 else 's'}" if count else "")
        self._arguments = viewer, known, request, layer
        self._panel: BackgroundPanel | None = None
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
