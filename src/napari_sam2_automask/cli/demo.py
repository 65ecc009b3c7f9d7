"""`sam2-automask demo`: the bundled samples segmented, scored and shown as one table."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from napari_sam2_automask.cli.console import OUT, WorkProgress, say

if TYPE_CHECKING:
    from napari_sam2_automask.evaluation.demo import DemoResult

__all__ = ["demo_command"]


def demo_command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("demo_out"),
    napari: Annotated[
        bool, typer.Option("--napari", help="Open the images and results in napari afterwards.")
    ] = False,
) -> None:
    """Segment the bundled sample images, coarse, balanced and fine, and compare with the ground truth."""
    from napari_sam2_automask.evaluation.demo import DEMO_PRESETS, run_demo
    from napari_sam2_automask.samples import samples

    start = time.perf_counter()
    with WorkProgress(len(samples()) * len(DEMO_PRESETS)) as bar:
        results = run_demo(out, started=bar.start, finished=lambda _: bar.advance(), progress=bar)
    _print_table(results)
    say(
        f"{time.perf_counter() - start:.0f} s in all. Labels, tables, COCO, records and outlines are in {out}"
    )
    if napari:
        from napari_sam2_automask._napari.contributions.open_demo import open_demo

        open_demo(results)


def _print_table(results: "list[DemoResult]") -> None:
    table = Table("image", "preset", header_style="bold")
    for name in ("objects", "in truth", "F1@0.5", "seconds"):
        table.add_column(name, justify="right")
    for k, result in enumerate(results):
        first = k == 0 or results[k - 1].sample != result.sample
        table.add_row(
            result.sample.title if first else "",
            result.preset,
            str(len(result.segmentation.table)),
            str(len(set(result.truth[result.truth > 0].tolist()))),
            f"{result.f1:.2f}",
            f"{result.seconds:.1f}",
            end_section=k + 1 < len(results) and results[k + 1].sample != result.sample,
        )
    OUT.print(table)
