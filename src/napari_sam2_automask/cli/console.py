"""What the command line prints: text, errors and progress bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress as RichProgress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from napari_sam2_automask.progress import Progress

__all__ = ["ERR", "OUT", "ByteProgress", "WorkProgress", "complain", "plain", "say"]

OUT = Console()
ERR = Console(stderr=True)

_STAGES = {
    "learn": "learning",
    "fit": "looking how large objects are",
    "encoder": "reading the image",
    "points": "points",
    "select": "selecting",
    "paint": "painting",
}


def say(text: str) -> None:
    """Print a line to standard output, never wrapped."""
    OUT.print(plain(text), markup=False, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print a line to standard error, never wrapped."""
    ERR.print(plain(" ".join(text.split("\n"))), markup=False, highlight=False, soft_wrap=True)


def plain(text: str) -> str:
    """Return a text on one line whose characters only show: names may hold what steers a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _Bar:
    """A progress bar on standard error, shown on terminals only, that takes `Progress` reports."""

    def __init__(self, *columns: ProgressColumn) -> None:
        self._rich = RichProgress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal)

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._rich.stop()


class ByteProgress(_Bar):
    """A bar that counts bytes, for downloads and checks."""

    def __init__(self) -> None:
        super().__init__(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
        )
        self._task = self._rich.add_task("", total=None)

    def __call__(self, progress: Progress) -> None:
        """Show a report."""
        self._rich.update(
            self._task, description=progress.stage, completed=progress.done, total=progress.total or None
        )


class WorkProgress(_Bar):
    """Two bars: images done of all, and what is done within the image at hand."""

    def __init__(self, images: int) -> None:
        super().__init__(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._images = self._rich.add_task("images", total=images)
        self._inside = self._rich.add_task("", total=None)

    def __call__(self, progress: Progress) -> None:
        """Show a report from within an image."""
        self._rich.update(
            self._inside,
            description=_STAGES.get(progress.stage, progress.stage),
            completed=progress.done,
            total=progress.total or None,
        )

    def start(self, name: str) -> None:
        """Show that an image starts."""
        self._rich.update(self._images, description=escape(plain(name)))
        self._rich.reset(self._inside, total=None, description="")

    def advance(self) -> None:
        """Count an image as done."""
        self._rich.advance(self._images)
