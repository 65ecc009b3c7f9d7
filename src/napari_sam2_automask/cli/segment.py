"""``sam2-automask segment``: images, planes of stacks, plates and folders of them."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam2_automask.cli.console import say
from napari_sam2_automask.cli.option_groups import (
    AllowMissing,
    ContrastLimits,
    ModelOptions,
    PixelOptions,
    WorkOptions,
    with_groups,
)
from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.files.web_address import given_path
from napari_sam2_automask.settings.along import Along
from napari_sam2_automask.settings.numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_automask.batch.planning import Wanted
    from napari_sam2_automask.stack.carrying import Propagation

__all__ = ["StackOptions", "segment"]

#: Under this heading the help lists the options.
STACKS = "Stacks"


class Projection(StrEnum):
    """How planes become one picture."""

    max = "max"
    mean = "mean"


class Contrast(StrEnum):
    """What percentiles are taken from."""

    plane = "plane"
    stack = "stack"


@dataclass(frozen=True)
class StackOptions:
    """What to take of stacks, and what becomes of their planes together."""

    plane: Annotated[
        int | None,
        typer.Option(
            help="Which plane to take of files with several, counted from 0.", rich_help_panel=STACKS
        ),
    ] = None
    series: Annotated[
        str | None,
        typer.Option(
            metavar="N|all",
            help="Which image of TIFF files with several, counted from 0.",
            rich_help_panel=STACKS,
        ),
    ] = None
    planes: Annotated[
        str | None,
        typer.Option(
            metavar="all|A:B",
            help="Several planes: all, or A up to, not including, B.",
            rich_help_panel=STACKS,
        ),
    ] = None
    project: Annotated[
        Projection | None,
        typer.Option(
            help="The maximum or mean over z (or the only axis of planes of no known meaning).",
            rich_help_panel=STACKS,
        ),
    ] = None
    over: Annotated[
        str | None,
        typer.Option(
            metavar="AXIS",
            help="With --project: the letter of the axis to project, such as T for time, in place of z.",
            rich_help_panel=STACKS,
        ),
    ] = None
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="N|mix|pool",
            help="One channel; all mixed in colours; or each by itself, with the masks of all pooled. "
            "Without it channels count as planes.",
            rich_help_panel=STACKS,
        ),
    ] = None
    axes: Annotated[
        str | None,
        typer.Option(
            help="One letter for each axis (T, Z, C, Y, X, S for colours), if the file does not tell or is "
            "wrong.",
            rich_help_panel=STACKS,
        ),
    ] = None
    link: Annotated[
        Along | None,
        typer.Option(
            help="Link the objects of all planes, along z or in time, so that each keeps one number.",
            rich_help_panel=STACKS,
        ),
    ] = None
    propagate: Annotated[
        bool,
        typer.Option(
            "--propagate",
            help="With --link: find objects on one plane and carry them through the others by a SAM 2.1 "
            "model's memory, in place of segmenting every plane.",
            rich_help_panel=STACKS,
        ),
    ] = False
    start: Annotated[
        str,
        typer.Option(
            metavar="first|middle|last|N",
            help="The plane to propagate from, counted among those taken.",
            rich_help_panel=STACKS,
        ),
    ] = "middle"
    new_every: Annotated[
        int,
        typer.Option(
            help="Look for further objects on every so many planes; 0 for never.", rich_help_panel=STACKS
        ),
    ] = 0
    contrast: Annotated[
        Contrast,
        typer.Option(help="Take the percentiles from each plane, or from the stack.", rich_help_panel=STACKS),
    ] = Contrast.plane

    def wanted(self, pixels: PixelOptions, also: "Sequence[str]" = ()) -> "Wanted":
        """Return what is wanted of each file; `also` names further formats.

        Raises
        ------
        SettingsError
            If options exclude each other, or a value is out of its range.
        """
        from napari_sam2_automask.batch.planning import Wanted
        from napari_sam2_automask.image.pick import Pick, parse_channel

        size, level, propagation = pixels.size, pixels.wanted_level, self._propagation()
        if self.plane is not None and self.planes is not None:
            raise SettingsError("--plane and --planes exclude each other: give one of them")
        if self.plane is not None and self.link is not None:
            raise SettingsError("--link needs several planes: leave out --plane, or give --planes A:B")
        project = self.project and self.project.value
        channel = parse_channel(self.channel)
        pick = Pick(self.plane, project, channel, self.axes or "", over=self._over())
        one_contrast = self.contrast is Contrast.stack
        return Wanted(
            pick, self.planes, self.link, size, level, propagation, self.series, one_contrast, tuple(also)
        )

    def _over(self) -> str:
        """Return the letter of the axis to project; empty if none is named."""
        over = (self.over or "").upper()
        if over and not self.project:
            raise SettingsError("--over names the axis to project: give --project max or mean")
        if self.over is not None and not (len(over) == 1 and over.isalpha() and over not in "YXS"):
            raise SettingsError(
                f"--over is {self.over!r}: give the letter of an axis of planes, such as Z or T"
            )
        return over

    def _propagation(self) -> "Propagation | None":
        """Return how objects are to be carried through stacks; None if they are linked."""
        if not self.propagate:
            if (self.start, self.new_every) != ("middle", 0):
                raise SettingsError("--start and --new-every are for propagated objects: give --propagate")
            return None
        if self.link is None:
            raise SettingsError("--propagate needs to know what the planes are: give --link z or --link time")
        from napari_sam2_automask.stack.carrying import Propagation

        number = whole_number(self.start)
        return Propagation(self.start if number is None else number, self.new_every)


@with_groups
def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            parser=given_path,
            help="Images (TIFF, PNG, JPEG, BMP, WebP, GIF, .npy or OME-Zarr), plates, folders of them, and "
            "web addresses (https://...) of OME-Zarrs.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made if need be.")],
    model: ModelOptions,
    stacks: StackOptions,
    pixels: PixelOptions,
    work: WorkOptions,
    contrast_limits: ContrastLimits = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT",
            help="A format of another program to write as well: imagej (ROI set), geojson (QuPath), "
            "coco-polygons, yolo, cellpose (_seg.npy), anndata (.h5ad), ozx (zipped OME-Zarr), "
            "ome-zarr-labels (into the image, an OME-Zarr). May be given several times.",
            show_default=False,
        ),
    ] = None,
    allow_missing: AllowMissing = False,
    floor: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="PRED_IOU STABILITY",
            help="Number the objects among all candidates with these scores at least, as the viewer does, "
            "which keeps some below the thresholds. [default: the thresholds]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Do images again whose results are there.")
    ] = False,
    summary: Annotated[
        Path | None,
        typer.Option(help="A CSV file with a row for each image: what became of it.", show_default=False),
    ] = None,
    **parameters: Any,
) -> None:
    """Segment images: for each a label image, an object table, COCO JSON and a record of how it was made.

    Images whose results are there already are skipped. Files of one set (OME-TIFF) are one image. A file that
    cannot be read is reported at the end and does not stop the rest. Of stacks, planes are chosen, projected
    or linked to objects of several planes.
    Parameters that are not given come from the preset.
    """
    work.check()
    chosen = model.choose(parameters)
    wanted = replace(stacks.wanted(pixels, also or ()), allow_missing=allow_missing)
    from napari_sam2_automask.batch.file_results import check_summary
    from napari_sam2_automask.batch.finding import find_images, skipped_words
    from napari_sam2_automask.batch.job_task import JobTask
    from napari_sam2_automask.batch.planning import plan
    from napari_sam2_automask.cli.segment_report import run_and_report

    results: list[Path] = []
    skipped: list[Path] = []
    images, useless = find_images(inputs, results.append, skipped.append, _say_together)
    if results:
        were = "results of earlier runs were" if len(results) > 1 else "result of an earlier run was"
        say(f"{len(results)} {were} left out")
    if skipped:
        say(f"skipped: {skipped_words(skipped)}")
    planned = plan(images, out, wanted)
    planned.useless.update(useless)
    for note in planned.notes:
        say(note)
    if summary is not None:
        read = [*inputs, *images, Path(model.model), *filter(None, [model.settings])]
        check_summary(summary, (path for path in read if not path.is_dir() or path in images), planned.files)
    task = JobTask(chosen, model.source, model.device, overwrite=overwrite, floor=floor)
    run_and_report(images, planned, task, work, contrast_limits, summary)


def _say_together(path: Path, others: list[Path]) -> None:
    named = ", ".join(one.name for one in others[:3]) + (" ..." if len(others) > 3 else "")
    say(f"{path}: taken together with {len(others)} more of its set ({named})")
