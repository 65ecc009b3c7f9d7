"""``sam2-automask large`` and ``runs``: images beyond memory, and runs in the background."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sam2_automask.cli.console import WorkProgress, complain, say
from napari_sam2_automask.cli.option_groups import (
    WORK,
    AllowMissing,
    ContrastLimits,
    ModelOptions,
    PixelOptions,
    WorkOptions,
    with_groups,
)
from napari_sam2_automask.cli.segment_report import ADVICE
from napari_sam2_automask.errors import OutputError, SettingsError
from napari_sam2_automask.files.web_address import Address, given_path
from napari_sam2_automask.settings.along import Along

__all__ = ["large", "runs_app"]

runs_app = typer.Typer(help="Watch, stop and go on with large runs in the background.", add_completion=False)
_TILES = "Tiles"
# Tiles set aside that are told one by one.
_TOLD = 10


@dataclass(frozen=True)
class TileOptions:
    """How the image is cut into tiles."""

    tile: Annotated[int, typer.Option(help="Side of a tile, in pixels.", rich_help_panel=_TILES)] = 1024
    tile_overlap: Annotated[
        int,
        typer.Option(
            help="What neighbouring tiles share at least, in pixels; 0 chooses it by the objects' size.",
            rich_help_panel=_TILES,
        ),
    ] = 0
    keep_tiles: Annotated[
        bool, typer.Option("--keep-tiles", help="Keep the tiles' results.", rich_help_panel=_TILES)
    ] = False


@dataclass(frozen=True)
class PlaneOptions:
    """What the axes of the image are, and which of its channels is taken."""

    axes: Annotated[
        str | None, typer.Option(help="One letter for each axis (T, Z, C, Y, X, S), if the file is wrong.")
    ] = None
    channel: Annotated[int, typer.Option(help="Which channel.")] = 0
    series: Annotated[
        int | None,
        typer.Option(metavar="N", help="Which image of a file with several, counted from 0."),
    ] = None
    along: Annotated[
        Along | None,
        typer.Option(
            help="What the planes are where the file does not tell [z], or in its place where they have one "
            "axis.",
            show_default=False,
        ),
    ] = None


@with_groups
def large(
    image: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            parser=given_path,
            help="An image file, Zarr array or OME-Zarr, or the web address (https://...) of one.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The OME-Zarr to write, such as labels.zarr.")],
    model: ModelOptions,
    planes: PlaneOptions,
    pixels: PixelOptions,
    tiles: TileOptions,
    work: WorkOptions,
    contrast_limits: ContrastLimits = None,
    allow_missing: AllowMissing = False,
    background: Annotated[
        bool,
        typer.Option("--background", help="Start it and return; see `runs`.", rich_help_panel=WORK),
    ] = False,
    **parameters: Any,
) -> None:
    """Segment an image of any size tile by tile into an OME-Zarr, with a table of its objects.

    A run that was stopped, killed or lost its machine goes on when the same command is run again, and gives
    the same labels. A tile that fails three times is set aside and reported; the rest is done.
    """
    if out.suffix != ".zarr":
        raise OutputError(f"{out} is to be an OME-Zarr: give it a name that ends in .zarr")
    chosen = model.choose(parameters)
    work.check()
    from napari_sam2_automask.files.pixel_size import scale_in_file
    from napari_sam2_automask.files.pyramid import place_level
    from napari_sam2_automask.large.spec import LargeSpec
    from napari_sam2_automask.settings.physical import measured
    from napari_sam2_automask.settings.presets import resolve_settings
    from napari_sam2_automask.settings.units import Pixel, long_unit
    from napari_sam2_automask.workers.process import model_of

    placed = place_level(image, pixels.wanted_level, pixels.size, planes.series or 0)
    if pixels.pixel_size is not None:
        say(f"level {placed.level} of the pyramid")
    in_pixels = measured(chosen, Pixel.known(placed.spacing[1:], placed.unit))
    told = scale_in_file(image, planes.series or 0)
    spec = LargeSpec(
        image=str(image),
        output=str(out),
        settings=resolve_settings(in_pixels, model_of(model.source, "cpu"))[0],
        model=model.source,
        device=model.device,
        axes=(planes.axes or "").upper(),
        channel=planes.channel,
        level=placed.level,
        allow_missing=allow_missing,
        contrast_limits=contrast_limits,
        tile=tiles.tile,
        overlap=tiles.tile_overlap,
        spacing=placed.spacing,
        unit=None if placed.unit is None else long_unit(placed.unit),
        axis=None if planes.along is None else planes.along.letter,
        interval=told.seconds,
        start=told.start_seconds,
        origin=placed.origin,
        workers=work.workers,
        scheduler=work.scheduler,
        tls_ca=work.tls.ca,
        tls_cert=work.tls.cert,
        tls_key=work.tls.key,
        gpus=work.gpus,
        threads=work.threads,
        keep_tiles=tiles.keep_tiles,
        series=planes.series,
    )
    address = image if isinstance(image, Address) else None
    if background and address is not None:
        raise SettingsError("a run in the background does not go on the web: leave out --background")
    if background:
        from napari_sam2_automask.large.background import start

        say(f"process {start(spec)} works on {out}; watch it with: sam2-automask runs status {out}")
        return
    _run(spec, address)


def _run(spec: Any, address: Address | None) -> None:
    """Do a run in this process and say what came out."""
    with WorkProgress(1) as progress:
        try:
            progress.start(Path(spec.image).name)
            result = spec.run(progress, address)
        except KeyboardInterrupt:
            complain("error: stopped from the keyboard: run the same command again to go on")
            raise typer.Exit(130) from None
    say(f"{result.path}: {result.objects} objects, table in {result.table}")
    if result.unfamiliar:
        say(ADVICE.format(images="the image is"))
    for index, why in list(result.failed.items())[:_TOLD]:
        place = f"plane {why['plane']}, rows {why['y'][0]}-{why['y'][1]}, columns {why['x'][0]}-{why['x'][1]}"
        complain(f"error: tile {index} ({place}) was set aside: {why['errors'][-1].splitlines()[0]}")
    if result.failed:
        more = f", {len(result.failed) - _TOLD} of them not listed" if len(result.failed) > _TOLD else ""
        complain(f"error: {len(result.failed)} tiles were set aside{more}: the same command tries them again")
        raise typer.Exit(1)


_OUTPUT = Annotated[Path, typer.Argument(metavar="OUT.zarr", help="The run's output.")]


@runs_app.command("status")
def runs_status(output: _OUTPUT) -> None:
    """Say how the run that writes an output is doing."""
    from napari_sam2_automask.large.background import status

    found = status(output)
    if found.state == "unknown":
        raise OutputError(f"there is no run that writes {output}: start one with `sam2-automask large`")
    counted = f" {found.stage}: {found.done} of {found.total}" if found.stage else ""
    say(f"{found.state}{counted}" + (f" ({found.message})" if found.message else ""))
    if found.state == "failed":
        raise typer.Exit(1)


@runs_app.command("stop")
def runs_stop(output: _OUTPUT) -> None:
    """Ask a run to stop after what it is doing; what is finished is kept."""
    from napari_sam2_automask.large.background import status, stop

    if status(output).state != "running":
        raise OutputError(f"no run is writing {output}: there is nothing to stop")
    stop(output)
    say("asked to stop")


@runs_app.command("resume")
def runs_resume(output: _OUTPUT) -> None:
    """Go on with a run that was stopped, in the background, with the settings it was started with."""
    from napari_sam2_automask.large.background import resume

    say(f"process {resume(output)} goes on with {output}")
