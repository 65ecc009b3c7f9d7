"""Options that `segment` and `large` share: level of a pyramid, size of pixels, who does the work."""

# No `from __future__ import annotations`: typer reads the annotations at run time.
from typing import Annotated

import typer

from napari_sam2_automask.errors import SettingsError
from napari_sam2_automask.settings.units import UNITS, Quantity, short_unit

__all__ = [
    "WORK",
    "Gpus",
    "Level",
    "PixelSizeWanted",
    "Scheduler",
    "Spacing",
    "SpacingUnit",
    "Threads",
    "Workers",
    "check_work",
    "checked_size",
    "wanted_level",
]

#: Under this heading the help lists the options.
PIXELS = "Pixels"

Level = Annotated[
    int | None,
    typer.Option(
        help="Which level of a pyramid. [default: 0, full resolution]",
        show_default=False,
        rich_help_panel=PIXELS,
    ),
]
PixelSizeWanted = Annotated[
    str | None,
    typer.Option(
        metavar="LENGTH",
        help="Take the level of a pyramid whose pixels are nearest to this size, such as '0.5 um'; in pixels "
        "of full resolution if no unit is given.",
        show_default=False,
        rich_help_panel=PIXELS,
    ),
]
Spacing = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        metavar="Z Y X",
        help="Distance between planes, height and width of a pixel at full resolution, if the file does not "
        "tell.",
        show_default=False,
        rich_help_panel=PIXELS,
    ),
]
SpacingUnit = Annotated[
    str, typer.Option(help=f"The unit of --spacing: {', '.join(UNITS)}.", rich_help_panel=PIXELS)
]
#: Under this heading the help lists the options.
WORK = "Work"

Workers = Annotated[int, typer.Option(help="Processes on this machine.", rich_help_panel=WORK)]
Scheduler = Annotated[
    str, typer.Option(help="Address of a Dask scheduler, in their place.", rich_help_panel=WORK)
]
Gpus = Annotated[
    bool,
    typer.Option(
        "--gpus", help="A tile or image takes one GPU of a Dask worker's resources.", rich_help_panel=WORK
    ),
]
Threads = Annotated[
    int, typer.Option(help="Threads in each process; 0 shares the cores.", rich_help_panel=WORK)
]


def wanted_level(level: int | None, pixel_size: str | None) -> int | Quantity:
    """Return the level, or the size that its pixels should have.

    Raises
    ------
    SettingsError
        If both are given, or the size is no length above 0.
    """
    if pixel_size is None:
        return level or 0
    if level is not None:
        raise SettingsError("--level and --pixel-size both choose a level: give one of them")
    wanted = Quantity.read(pixel_size, 1, "--pixel-size")
    if wanted.value <= 0:
        raise SettingsError(f"--pixel-size is {pixel_size!r}: give a length above 0")
    return wanted


def checked_size(
    spacing: tuple[float, float, float] | None, unit: str
) -> tuple[float, float, float, str] | None:
    """Return the voxel's size and the short name of its unit; None if it is not given.

    Raises
    ------
    SettingsError
        If a length is not above 0, or the unit is not known.
    """
    if spacing is None:
        return None
    if min(spacing) <= 0:
        raise SettingsError(f"--spacing is {spacing}: give three positive numbers")
    return (*spacing, short_unit(unit))


def check_work(workers: int, scheduler: str, gpus: bool, threads: int) -> None:
    """Refuse what cannot be done.

    Raises
    ------
    SettingsError
        If a number is out of its range, or GPUs are asked for where there is no scheduler to give them.
    """
    if workers < 1 or threads < 0:
        raise SettingsError("--workers is 1 or more, --threads 0 or more: give such a number")
    if gpus and not scheduler:
        raise SettingsError("--gpus shares out the GPUs of a cluster: give the address of its --scheduler")
