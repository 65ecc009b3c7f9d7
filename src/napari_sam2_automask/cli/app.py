"""The command line: ``sam2-automask segment``, ``replay``, ``models``, ``presets`` and ``demo``."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from napari_sam2_automask import __version__
from napari_sam2_automask.cli.console import OUT, complain, say
from napari_sam2_automask.cli.demo import demo_command
from napari_sam2_automask.cli.large import large, runs_app
from napari_sam2_automask.cli.models import models_app
from napari_sam2_automask.cli.replay import replay_command
from napari_sam2_automask.cli.segment_plan import (
    STACKS,
    Along,
    Contrast,
    Projection,
    pick_of,
    plan_work,
    propagation_of,
)
from napari_sam2_automask.cli.settings_options import (
    DeviceName,
    ModelName,
    PresetName,
    SettingsFile,
    choose_settings,
    with_settings_options,
)
from napari_sam2_automask.cli.shared_options import (
    Gpus,
    Level,
    PixelSizeWanted,
    Scheduler,
    Spacing,
    SpacingUnit,
    Threads,
    Workers,
    check_work,
    checked_size,
    wanted_level,
)
from napari_sam2_automask.cli.sweep import sweep_command
from napari_sam2_automask.errors import AutomaskError
from napari_sam2_automask.models.runtime.process_guards import wait_patiently
from napari_sam2_automask.settings.presets import PRESETS

__all__ = ["app", "main"]

app = typer.Typer(
    name="sam2-automask",
    help="Segment everything in images with SAM 2, as the napari plugin does.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the rich help cuts long option names short
)
app.add_typer(models_app, name="models")
app.add_typer(runs_app, name="runs")


def main() -> None:
    """Run the command line: an error a person can mend is one line and exit code 1."""
    # tifffile logs what it stumbles over in damaged files; our one line says it.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    wait_patiently()
    try:
        app()
    except AutomaskError as error:
        complain(f"error: {error}")
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"napari-sam2-automask {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
@with_settings_options
def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Images (TIFF, PNG, JPEG, OME-Zarr), plates (OME-Zarr), and folders of them.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results; made if need be.")],
    preset: PresetName = None,
    settings: SettingsFile = None,
    model: ModelName = "bundled",
    device: DeviceName = "auto",
    plane: Annotated[
        int | None,
        typer.Option(
            help="Which plane to take of files with several, counted from 0.", rich_help_panel=STACKS
        ),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            metavar="N|all",
            help="Which image of TIFF files with several, counted from 0.",
            rich_help_panel=STACKS,
        ),
    ] = None,
    planes: Annotated[
        str | None,
        typer.Option(
            metavar="all|A:B",
            help="Several planes: all, or A up to, not including, B.",
            rich_help_panel=STACKS,
        ),
    ] = None,
    project: Annotated[
        Projection | None,
        typer.Option(help="The maximum or mean over z (or the only axis of planes).", rich_help_panel=STACKS),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="N|mix|pool",
            help="One channel; all mixed in colours; or each by itself, with the masks of all pooled. "
            "Without it channels count as planes.",
            rich_help_panel=STACKS,
        ),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            help="One letter for each axis (T, Z, C, Y, X, S for colours), if the file does not tell or is "
            "wrong.",
            rich_help_panel=STACKS,
        ),
    ] = None,
    link: Annotated[
        Along | None,
        typer.Option(
            help="Link the objects of all planes, along z or in time, so that each keeps one number.",
            rich_help_panel=STACKS,
        ),
    ] = None,
    propagate: Annotated[
        bool,
        typer.Option(
            "--propagate",
            help="With --link: find objects on one plane and carry them through the others by a SAM 2.1 "
            "model's memory, in place of segmenting every plane.",
            rich_help_panel=STACKS,
        ),
    ] = False,
    start: Annotated[
        str,
        typer.Option(
            metavar="first|middle|last|N",
            help="The plane to propagate from, counted among those taken.",
            rich_help_panel=STACKS,
        ),
    ] = "middle",
    new_every: Annotated[
        int,
        typer.Option(
            help="Look for further objects on every so many planes; 0 for never.", rich_help_panel=STACKS
        ),
    ] = 0,
    level: Level = None,
    pixel_size: PixelSizeWanted = None,
    spacing: Spacing = None,
    unit: SpacingUnit = "um",
    contrast: Annotated[
        Contrast,
        typer.Option(help="Take the percentiles from each plane, or from the stack.", rich_help_panel=STACKS),
    ] = Contrast.plane,
    contrast_limits: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="The intensities of gray images shown as black and white to the model. "
            "[default: the 0.5 and 99.5 percentiles of each image]",
            show_default=False,
        ),
    ] = None,
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
    workers: Workers = 1,
    scheduler: Scheduler = "",
    gpus: Gpus = False,
    threads: Threads = 0,
    **parameters: Any,
) -> None:
    """Segment images: for each a label image, an object table, COCO JSON and a record of how it was made.

    Images whose results are there already are skipped. A file that cannot be read is reported at the end and
    does not stop the rest. Of stacks, planes are chosen, projected or linked to objects of several planes.
    Parameters that are not given come from the preset.
    """
    check_work(workers, scheduler, gpus, threads)
    chosen = choose_settings(preset, settings, parameters)
    of_stack: dict[str, Any] = {
        "planes": planes,
        "series": series,
        "link": link and link.value,
        "size": checked_size(spacing, unit),
        "level": wanted_level(level, pixel_size),
        "propagate": propagation_of(propagate, start, new_every, link),
    }
    pick = pick_of(plane, planes, project, channel, axes, link, bool(spacing or of_stack["level"]))
    from napari_sam2_automask.batch.image_jobs import find_images
    from napari_sam2_automask.cli.segment_report import How, run_and_report

    images, useless = find_images(inputs)
    planned = plan_work(images, out, plane, pick, of_stack, contrast is Contrast.stack)
    planned = replace(planned, useless=useless | planned.useless)
    how = How(chosen, model, device, overwrite, contrast_limits, floor, workers, scheduler, gpus, threads)
    run_and_report(images, planned, how, summary)


app.command("replay")(replay_command)
app.command("large")(large)
app.command("sweep")(sweep_command)
app.command("demo")(demo_command)


@app.command()
def presets() -> None:
    """List the presets: what each is for and what it costs."""
    table = Table("preset", "for", "passes, points", "bundled model", box=None, header_style="bold")
    for preset in PRESETS.values():
        usual, own = (s.cost_words for s in (preset.settings, preset.for_model("bundled")))
        table.add_row(preset.name, preset.purpose, ", ".join(usual), ", ".join(dict.fromkeys(own)))
    OUT.print(table)
