"""``sam2-automask report``: a folder's results in one HTML page."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
from pathlib import Path
from typing import Annotated

import typer

from napari_sam2_automask.cli.console import WorkProgress, say

__all__ = ["report_command"]


def report_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `segment` wrote to.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The page. [default: report.html in DIR]", show_default=False),
    ] = None,
) -> None:
    """Make a page for the lab book: one HTML file that opens anywhere, without a network.

    Pictures with outlines, counts, distributions of every measure, outliers, settings and versions.
    """
    from napari_sam2_automask.report.page import write_report

    with WorkProgress(1) as progress:
        path = write_report(folder, out, progress=progress)
    say(f"{path}: open it in a browser")
