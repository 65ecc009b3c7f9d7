"""Several images in one go: the next run starts when the last one has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

    from napari_sam2_automask._napari.run.session import RunSession

__all__ = ["RunQueue"]


class RunQueue:
    """Runs images one after the other.

    Parameters
    ----------
    session : RunSession
        What runs them.
    """

    def __init__(self, session: RunSession) -> None:
        self._session = session
        self._waiting: list[Image | None] = []
        self._counts: list[int] = []
        self._failed: list[str] = []
        session.ended.connect(self._on_ended)

    def start(self, images: Sequence[Image | None]) -> None:
        """Run these images, None for the one chosen; only while nothing runs."""
        if self._session.running:
            return
        self._waiting, self._counts, self._failed = list(images), [], []
        self._next()

    def clear(self) -> None:
        """Run nothing more than what is running now."""
        self._waiting.clear()

    def _next(self) -> None:
        while self._waiting:
            image = self._waiting.pop(0)
            if self._session.start(image):
                return
            self._failed.append("" if image is None else image.name)

    def _on_ended(self) -> None:
        last = self._session.last
        if last is None or last.cancelled:
            self.clear()
            return
        if last.outcome is None or last.error:
            self._failed.append(last.request.source.name)
        else:
            self._counts.append(len(last.outcome.table))
        if self._waiting:
            self._next()
        elif len(self._counts) + len(self._failed) > 1:
            text = f"{sum(self._counts):,} objects in {len(self._counts)} images."
            failed = ", ".join(repr(name) for name in self._failed)
            self._session.say(text + (f" Not segmented: {failed}." if failed else ""))
